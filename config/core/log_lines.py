"""Log lines without patients' text, for every process; knows no Django.

One JSON line an event, with keys from an allow-list that has none for prompts or answers. An
exception is logged as its type and place, never as its text. Of a foreign logger's message we keep
the template without its arguments, or the text if it stands literally in that logger's source; a
text that was put together at run time (an f-string, say) may quote a patient and is withheld.
"""

import ast
import logging.config
import sys
from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog

WITHHELD = "(text withheld)"
Event = MutableMapping[str, Any]
_counts = {"dropped_keys": 0}


def dropped_keys() -> int:
    """How many keys this process has left out of its lines: each is a mistake in our source."""
    return _counts["dropped_keys"]


@lru_cache(maxsize=512)
def _literals(path: str) -> frozenset[str]:
    """Every text that stands in the source file at ``path``; nothing if it can't be read."""
    try:
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return frozenset()
    return frozenset(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def without_foreign_text(_: Any, __: str, event: Event) -> Event:
    """Replace a foreign logger's message by its template; withhold what was made at run time."""
    record: logging.LogRecord = event["_record"]
    has_arguments = bool(event.pop("positional_args", ()))
    is_template = isinstance(record.msg, str) and (
        has_arguments or record.msg in _literals(record.pathname)
    )
    event["event"] = record.msg.strip() if is_template else WITHHELD
    if not is_template:
        event.setdefault("where", f"{record.pathname}:{record.lineno} {record.funcName}")
    return event


def without_exception_text(_: Any, __: str, event: Event) -> Event:
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


def configure(*, level: str, allowed: frozenset[str], processors: Sequence[Any] = ()) -> None:
    """Set up structlog and the standard library's loggers alike, uvicorn's included.

    ``processors`` may add to an event; keys outside ``allowed`` are dropped after them.
    """

    def keep_allowed(_: Any, __: str, event: Event) -> Event:
        kept = {key: value for key, value in event.items() if key in allowed}
        _counts["dropped_keys"] += len(event) - len(kept)
        return kept

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *processors,
        without_exception_text,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    own_handlers_taken_away: dict[str, Any] = {"handlers": [], "propagate": True}
    quiet = {**own_handlers_taken_away, "level": "WARNING"}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": [*shared, without_foreign_text],
                    "pass_foreign_args": True,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        keep_allowed,
                        structlog.processors.JSONRenderer(),
                    ],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                "uvicorn": own_handlers_taken_away,
                "uvicorn.error": own_handlers_taken_away,
                "uvicorn.access": quiet,
                "httpx": quiet,
                "httpcore": quiet,
                "celery.app.trace": quiet,
            },
        }
    )
