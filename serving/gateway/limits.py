"""How long the gateway waits, and how much it takes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds unless the name says otherwise."""

    body_bytes: int = 1 << 20
    poll_seconds: float = 1.0
    # A request that a node refuses asks for a poll at once; not more often than this.
    least_poll_seconds: float = 0.1
    # With the poll that finds it old, what moved no epoch is seen within 5 s.
    reread_seconds: float = 3.5
    # After this long without a successful poll the control plane counts as away.
    away_after_seconds: float = 5.0
    # A request that needs the database waits this long for it.
    database_seconds: float = 3.0
    connect_seconds: float = 2.0
    first_token_seconds: float = 30.0
    token_gap_seconds: float = 15.0
    # A canary answer that is held back must be whole within this time.
    held_back_seconds: float = 30.0
    # A node that could not be reached is asked last for this long.
    shun_seconds: float = 5.0
    retry_after_seconds: int = 5
    # An answer waits this long for its row; later it ends all the same, and the loss is logged.
    row_commit_seconds: float = 2.0
    row_batch: int = 500
    row_backlog: int = 20_000
    token_lookups_per_second: int = 20
    # Below the 5 s after which uvicorn closes an idle connection of a node.
    node_keepalive_seconds: float = 4.0
