"""The log of every process that runs Django: which keys a line may have, and the request's id."""

from typing import Any

from django.conf import settings

from config.core import log_lines
from config.core.middleware import request_id_var

ALLOWED_KEYS = frozenset(
    {
        "event", "level", "logger", "timestamp", "request_id", "method", "path", "status",
        "duration_ms", "node", "replica", "deployment", "rollout", "version", "digest", "step",
        "state", "task", "task_id", "attempt", "error", "error_type", "code", "count", "epoch",
        "answer_id", "arm", "stage", "run", "process", "pid", "exit_code", "size_bytes", "port",
        "sequence", "check_id", "where", "object",
    }
)  # fmt: skip


def _add_request_id(_: Any, __: str, event: log_lines.Event) -> log_lines.Event:
    if request_id := request_id_var.get():
        event.setdefault("request_id", request_id)
    return event


def configure() -> None:
    """Set up the log; the core app does it when Django starts."""
    log_lines.configure(
        level=settings.LOG_LEVEL, allowed=ALLOWED_KEYS, processors=[_add_request_id]
    )
