"""Structured logs: one JSON line an event, and only keys from the allow-list.

Prompts, answers and training text can't get into a log line, because no key for them is allowed
and messages of foreign loggers are kept without their arguments' text where those may hold it.
"""

import logging
import logging.config
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from django.conf import settings

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


def _keep_allowed(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in list(event):
        if key not in ALLOWED_KEYS and not key.startswith("_"):
            del event[key]
    return event


def _add_request_id(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if request_id := request_id_var.get():
        event.setdefault("request_id", request_id)
    return event


def _traceback_without_text(
    _: Any, __: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace an exception by its type and place: its text may quote what a patient wrote."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if info and info[0] is not None:
        event["error_type"] = info[0].__name__
        trace = info[2]
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if trace is not None:
            code = trace.tb_frame.f_code
            event["where"] = f"{code.co_filename}:{trace.tb_lineno} {code.co_name}"
    return event


def configure() -> None:
    """Set up structlog and the standard library's root logger alike."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request_id,
        _traceback_without_text,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        _keep_allowed,
                        structlog.processors.JSONRenderer(),
                    ],
                }
            },
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": "json"},
            },
            "root": {"handlers": ["stderr"], "level": settings.LOG_LEVEL},
            "loggers": {
                "uvicorn.access": {"level": "WARNING"},
                "httpx": {"level": "WARNING"},
                "httpcore": {"level": "WARNING"},
                "celery": {"level": "WARNING"},
            },
        }
    )
