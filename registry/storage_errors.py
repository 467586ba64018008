"""What can go wrong with artifacts, keys, holds and uploads that bypass us."""

from config.core.errors import Conflict, DomainError, ErrorKind, NotFound, Unavailable


class ArtifactTypeInvalid(DomainError):
    """The path names no type of artifact."""

    code = "artifact-type-invalid"
    title = "There is no such type of artifact"


class ArtifactBodyMissing(DomainError):
    """There are no bytes to keep."""

    code = "artifact-body-missing"
    title = "The file is missing"


class ArtifactNameInvalid(DomainError):
    """A record can't have this name."""

    code = "artifact-name-invalid"
    title = "A model can't have this name"


class ArtifactTooLarge(DomainError):
    """The file is larger than what is taken."""

    code = "artifact-too-large"
    title = "The file is too large"
    kind = ErrorKind.TOO_LARGE


class ArtifactIdMissing(DomainError):
    """The path names no model."""

    code = "artifact-id-missing"
    title = "The model is missing"


class ModelRecordNotFound(NotFound):
    """No model has this name."""

    code = "model-record-not-found"
    title = "There is no such model"


class ArtifactNotFound(NotFound):
    """The model has no artifact of this type."""

    code = "artifact-not-found"
    title = "There is no such artifact"


class ArtifactNotStored(Unavailable):
    """The store did not take the bytes; nothing of the upload is kept."""

    code = "artifact-not-stored"
    title = "The bytes could not be stored"


class ArtifactUnreadable(Unavailable):
    """The store does not give the bytes back."""

    code = "artifact-unreadable"
    title = "The bytes could not be read"


class RecordNotMirrored(Unavailable):
    """The outside table did not take the record; the upload is undone."""

    code = "record-not-mirrored"
    title = "The record could not be saved"


class KeyInvalid(DomainError):
    """Objects can't lie under this key."""

    code = "key-invalid"
    title = "This can't be a key"


class KeyNotFound(NotFound):
    """Nothing lies under this key."""

    code = "key-not-found"
    title = "There is no such key"


class HoldInvalid(DomainError):
    """A hold needs digests, a matter and a reason."""

    code = "hold-invalid"
    title = "The hold can't be placed like this"


class HoldNotFound(NotFound):
    """There is no such hold, or it was released."""

    code = "hold-not-found"
    title = "There is no such hold"


class DirectUploadAbsent(Conflict):
    """The signed address was not used yet, or its bytes are others than declared."""

    code = "direct-upload-absent"
    title = "The bytes have not arrived"
