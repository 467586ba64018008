"""A database that is busy or away is no fault of a request: it is told to come again."""

import structlog
from django.db import InterfaceError, InternalError, OperationalError

from config.core.errors import Unavailable

RETRY_AFTER_SECONDS = 5
_IDLE_IN_TRANSACTION = "25P03"
_TOO_SLOW = {
    "57014": "The database did not finish this in time.",
    "55P03": "What this needs is held by something else for too long.",
    "40P01": "This and something else waited for each other.",
    "53300": "The database has no connection left.",
}
log = structlog.get_logger(__name__)


class DatabaseBusy(Unavailable):
    """A statement took too long, waited too long for a lock, or met no database at all."""

    code = "database-busy"
    title = "The database is busy"


def as_busy(error: BaseException) -> DatabaseBusy | None:
    """What to tell instead of ``error``; None where it is a fault of ours."""
    state = str(getattr(error.__cause__, "sqlstate", None) or "")
    is_passing = isinstance(error, OperationalError | InterfaceError)
    if not is_passing and not (isinstance(error, InternalError) and state == _IDLE_IN_TRANSACTION):
        return None
    # The database's own words may quote a row.
    log.warning("database.busy", code=state, error_type=type(error.__cause__ or error).__name__)
    return DatabaseBusy(
        _TOO_SLOW.get(state, "The database does not answer."),
        fix=f"Send the same request again in {RETRY_AFTER_SECONDS} seconds; what of it was not "
        "finished was undone.",
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )
