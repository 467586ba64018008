"""The node's log: JSON lines with keys from a list that has none for prompts or answers."""

from collections.abc import MutableMapping
from typing import Any

import structlog

ALLOWED_KEYS = frozenset(
    {
        "event", "level", "timestamp", "node", "replica", "digest", "state", "status", "code",
        "duration_ms", "count", "epoch", "run", "port", "pid", "error_type",
    }
)  # fmt: skip


def _keep_allowed(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: value for key, value in event.items() if key in ALLOWED_KEYS}


def configure_log() -> None:
    """Write one JSON line an event, unless the process around the node has set up its own log."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _keep_allowed,
            structlog.processors.JSONRenderer(),
        ],
        cache_logger_on_first_use=True,
    )
