"""What can go wrong in the registry. Package faults are in registry.domain.packages."""

from config.core.errors import Conflict, DomainError, ErrorKind, NotFound


class RefInvalid(DomainError):
    """The text is no reference to an adapter or a version."""

    code = "ref-invalid"
    title = "This is not a reference"


class AdapterNotFound(NotFound):
    """No adapter has this reference."""

    code = "adapter-not-found"
    title = "There is no such adapter"


class VersionNotFound(NotFound):
    """The adapter has no such version."""

    code = "version-not-found"
    title = "There is no such version"


class BaseModelNotFound(NotFound):
    """No base model is registered under this name."""

    code = "base-model-not-found"
    title = "There is no such base model"


class BlobNotFound(NotFound):
    """No bytes of this digest are stored."""

    code = "blob-not-found"
    title = "There are no such bytes"


class AdapterInvalid(DomainError):
    """A field of an adapter is not acceptable."""

    code = "adapter-invalid"
    title = "The adapter can't be made like this"
    kind = ErrorKind.UNPROCESSABLE


class AdapterExists(Conflict):
    """The namespace and slug are taken."""

    code = "adapter-exists"
    title = "This adapter exists already"


class BaseModelConflict(Conflict):
    """Another base model has this slug, this digest or one of these names."""

    code = "base-model-conflict"
    title = "Another base model has this name or these bytes"


class VersionNameRefused(DomainError):
    """The name of a version is malformed or would be ambiguous."""

    code = "version-name-refused"
    title = "The version can't have this name"
    kind = ErrorKind.UNPROCESSABLE


class VersionNameTaken(Conflict):
    """Another version of the adapter, with other bytes, has this name."""

    code = "version-name-taken"
    title = "Another version has this name"


class LabelInvalid(DomainError):
    """The intended use is not structured as a label must be."""

    code = "label-invalid"
    title = "The label is not complete"
    kind = ErrorKind.UNPROCESSABLE


class AliasMovedMeanwhile(Conflict):
    """The alias does not name the version that the caller expected."""

    code = "alias-moved-meanwhile"
    title = "The alias was moved by somebody else"


class AliasProtected(DomainError):
    """The alias is moved by serving alone, or its name can't be an alias."""

    code = "alias-protected"
    title = "This alias can't be moved by hand"
    kind = ErrorKind.FORBIDDEN


class BlobDamaged(DomainError):
    """Stored bytes are not what their digest says."""

    code = "blob-damaged"
    title = "Stored bytes are damaged"
    kind = ErrorKind.UNAVAILABLE


class UploadInvalid(DomainError):
    """A header of a chunk or a declared value is malformed."""

    code = "upload-invalid"
    title = "The upload is malformed"


class UploadNotFound(NotFound):
    """The caller has no such upload: it expired, was refused, or is somebody else's."""

    code = "upload-not-found"
    title = "There is no such upload"


class UploadTooLarge(DomainError):
    """The declared file or the chunk is larger than what is taken."""

    code = "upload-too-large"
    title = "The upload is too large"
    kind = ErrorKind.TOO_LARGE


class UploadOffsetWrong(Conflict):
    """The chunk does not begin where the stored bytes end; ``offset_bytes`` says where they do."""

    code = "upload-offset-wrong"
    title = "The chunk does not begin where the stored bytes end"

    def __init__(self, message: str, *, offset_bytes: int, fix: str) -> None:
        super().__init__(message, fix=fix, errors=[{"offset_bytes": offset_bytes}])
        self.offset_bytes = offset_bytes


class UploadBusy(Conflict):
    """Another chunk of the same upload is being written."""

    code = "upload-busy"
    title = "Another chunk is being written"


class UploadComplete(Conflict):
    """Every byte is there already."""

    code = "upload-complete"
    title = "The upload is complete"


class UploadDamaged(DomainError):
    """The bytes are not those that a checksum or the declared digest says."""

    code = "upload-damaged"
    title = "The bytes are not what was declared"
    kind = ErrorKind.UNPROCESSABLE


class UploadQuotaReached(DomainError):
    """The account has too many uploads, or too many bytes, that no version uses."""

    code = "upload-quota-reached"
    title = "Too much is uploaded and not used"
    kind = ErrorKind.TOO_MANY


class AvatarNotFound(NotFound):
    """The account has no such avatar: it never was, was deleted, or is somebody else's."""

    code = "avatar-not-found"
    title = "There is no such avatar"


class AvatarInvalid(DomainError):
    """The name of an avatar, or of its adapter, is not acceptable."""

    code = "avatar-invalid"
    title = "The avatar can't have this name"


class AvatarBusy(Conflict):
    """The avatar is being trained, or its adapter is live."""

    code = "avatar-busy"
    title = "The avatar is in use"


class AvatarBaseUnclear(Conflict):
    """It is not said for which base model avatars' adapters are made."""

    code = "avatar-base-unclear"
    title = "The base model of avatars is not known"


class AvatarBackupNotFound(NotFound):
    """The avatar has no such backup."""

    code = "avatar-backup-not-found"
    title = "There is no such backup"


class TrainingFileNotFound(NotFound):
    """The avatar has no training file of this name."""

    code = "training-file-not-found"
    title = "There is no such training file"


class TrainingFileInvalid(DomainError):
    """A training file has a name, a kind or a size that is not taken."""

    code = "training-file-invalid"
    title = "The training file can't be accepted"


class TrainingFileHeld(Conflict):
    """A legal hold names the file; neither its bytes nor its key may go."""

    code = "training-file-held"
    title = "The training file is under a legal hold"


class TrainingLimitReached(DomainError):
    """The account has begun as many trainings as it may in an hour."""

    code = "training-limit-reached"
    title = "Too many trainings in an hour"
    kind = ErrorKind.TOO_MANY


class DownloadLinkInvalid(DomainError):
    """The address for a download was changed, has ended, or its file is other bytes now."""

    code = "download-link-invalid"
    title = "This address leads to nothing any more"
    kind = ErrorKind.FORBIDDEN


class TrainingRunNotFound(NotFound):
    """There is no training run of this id."""

    code = "training-run-not-found"
    title = "There is no such training run"


class TrainingDataMissing(DomainError):
    """No file is flagged for training, or a flagged one may not be used."""

    code = "training-data-missing"
    title = "There is nothing to train with"
    kind = ErrorKind.UNPROCESSABLE


class TrainingInProgress(Conflict):
    """Another training of the same adapter has not ended yet."""

    code = "training-in-progress"
    title = "The adapter is being trained"


class TrainingAttemptOver(Conflict):
    """Another worker has the run, or nobody wants it any more."""

    code = "training-attempt-over"
    title = "This attempt has lost its training run"
