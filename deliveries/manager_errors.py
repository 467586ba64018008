"""What can go wrong with entries and compositions of the LoRA manager."""

from config.core.errors import DomainError, ErrorKind


class EntryNotFound(DomainError):
    """No entry has this id, or it was deleted."""

    code = "entry-not-found"
    title = "There is no such adapter"
    kind = ErrorKind.NOT_FOUND


class EntryInvalid(DomainError):
    """A field holds what it can't hold; ``errors`` names each."""

    code = "entry-invalid"
    title = "The adapter's metadata is not valid"
    kind = ErrorKind.INVALID


class EntryNameTaken(DomainError):
    """Another entry of the namespace has this name."""

    code = "entry-name-taken"
    title = "The adapter's name is taken"
    kind = ErrorKind.INVALID


class FilePathRefused(DomainError):
    """The path lies outside what the administrator allows, or there is no file."""

    code = "file-path-refused"
    title = "The file can't be registered"
    kind = ErrorKind.INVALID


class MetadataRefused(DomainError):
    """The metadata document that was named is unreadable or contradicts the file."""

    code = "metadata-refused"
    title = "The metadata can't be used"
    kind = ErrorKind.INVALID


class CompositionNotFound(DomainError):
    """No composition has this id."""

    code = "composition-not-found"
    title = "There is no such composition"
    kind = ErrorKind.NOT_FOUND
