"""What can go wrong for a Hub client, with the code by which its library knows the kind."""

from typing import ClassVar

from config.core.errors import DomainError, ErrorKind


class HubError(DomainError):
    """A refusal that the client's library recognises by ``hub_code``.

    ``repo_commit``: the commit that the answer names in ``X-Repo-Commit``, where one was found.
    """

    hub_code: ClassVar[str] = ""

    def __init__(self, message: str, *, fix: str, repo_commit: str = "") -> None:
        super().__init__(message, fix=fix)
        self.repo_commit = repo_commit


class RepositoryUnknown(HubError):
    """No adapter has this namespace and slug."""

    code = "hub-repository-not-found"
    title = "There is no such repository"
    kind = ErrorKind.NOT_FOUND
    hub_code = "RepoNotFound"


class RevisionUnknown(HubError):
    """The adapter has no version under this name; ``main`` where nothing is live."""

    code = "hub-revision-not-found"
    title = "There is no such revision"
    kind = ErrorKind.NOT_FOUND
    hub_code = "RevisionNotFound"


class RevisionWithdrawn(RevisionUnknown):
    """The version could be pulled before and may not be used any more.

    It is told as an unknown revision because nothing else keeps a client from silently using the
    copy in its cache.
    """

    code = "hub-revision-withdrawn"
    title = "This version was withdrawn"


class RevisionNotApproved(HubError):
    """The version was never permitted to be served."""

    code = "hub-revision-not-approved"
    title = "This version is not approved"
    kind = ErrorKind.FORBIDDEN
    hub_code = "GatedRepo"


class PermissionPaused(HubError):
    """The version is approved, and nobody renews its permission at the moment."""

    code = "hub-permission-paused"
    title = "The permission is not renewed at the moment"
    kind = ErrorKind.UNAVAILABLE

    def __init__(self, message: str, *, fix: str, retry_after_seconds: int) -> None:
        super().__init__(message, fix=fix)
        self.retry_after_seconds = retry_after_seconds


class EntryUnknown(HubError):
    """The version has no such file, or one that is never handed out here."""

    code = "hub-entry-not-found"
    title = "There is no such file"
    kind = ErrorKind.NOT_FOUND
    hub_code = "EntryNotFound"


class RangeUnsatisfiable(HubError):
    """The range begins behind the last byte."""

    code = "hub-range-not-satisfiable"
    title = "The range lies outside the file"
    kind = ErrorKind.RANGE

    def __init__(self, *, size_bytes: int) -> None:
        super().__init__(
            f"The file has {size_bytes} bytes; the range begins behind them.",
            fix="Ask for a range inside the file, or for the whole file.",
        )
        self.size_bytes = size_bytes


class QueryUnsupported(DomainError):
    """A list can't be narrowed or sorted like this; answering without would be another list."""

    code = "hub-query-unsupported"
    title = "The list can't be narrowed or sorted like this"
