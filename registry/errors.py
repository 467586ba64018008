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
