"""The node's log: JSON lines with keys from a list that has none for prompts or answers."""

import structlog

from config.core import log_lines

ALLOWED_KEYS = frozenset(
    {
        "event", "level", "logger", "timestamp", "node", "replica", "digest", "state", "status",
        "code", "duration_ms", "count", "epoch", "run", "port", "pid", "error_type", "where",
    }
)  # fmt: skip


def configure_log() -> None:
    """Set up the log, unless the process around the node has set up its own."""
    if not structlog.is_configured():
        log_lines.configure(level="INFO", allowed=ALLOWED_KEYS)
