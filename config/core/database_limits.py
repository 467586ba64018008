"""How long PostgreSQL works for one statement, or waits for a lock, before it gives up."""

from collections.abc import Mapping
from dataclasses import dataclass

# A process that hangs in the middle of a transaction lets go of its locks: nobody, and no stop,
# waits for it longer.
IDLE_IN_TRANSACTION_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of each statement; 0 waits for ever."""

    statement_seconds: float
    lock_seconds: float

    def __post_init__(self) -> None:
        for seconds in (self.statement_seconds, self.lock_seconds):
            if seconds != 0 and not 0.001 <= seconds <= 86_400:
                raise ValueError(f"{seconds:g} is neither 0 nor 0.001 to 86400 seconds")

    def options(self) -> str:
        """What a new connection tells PostgreSQL, in milliseconds."""
        told: Mapping[str, float] = {
            "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_SECONDS,
            "statement_timeout": self.statement_seconds,
            "lock_timeout": self.lock_seconds,
        }
        # What is not limited here is left to the server and the role.
        return " ".join(
            f"-c {name}={round(1000 * seconds)}" for name, seconds in told.items() if seconds
        )


# Migrations, restores and whatever a person starts by hand takes as long as it takes.
UNLIMITED = Limits(statement_seconds=0, lock_seconds=0)
