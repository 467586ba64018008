"""Log lines hold no patient's text: not from our events, not from libraries, not from errors."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.core import logs
from serving.node import log as node_log

ROOT = Path(__file__).resolve().parents[2]
# A library for servers of others, which log as they like: it speaks through the standard logging
# with templates, and its own tests hold that no value of a request is among what it says.
TOOLKIT = ROOT / "serving" / "sagemaker"
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
TEXT = "a cough since Tuesday, Mrs Example"
EVENTS = f"""
import asyncio, gc, logging, sys, uvicorn
uvicorn.Config("config.asgi:application", log_level="info")  # takes the loggers, as its CLI does
if sys.argv[1] == "django":
    import django
    django.setup()
    from config.core.logs import configure
else:
    from serving.node.log import configure_log as configure
configure()
import structlog
text = {TEXT!r}
ours, library = structlog.get_logger("ours"), logging.getLogger("library.of.others")
ours.warning("ours.event", prompt=text, _prompt=text, digest="ab12")
library.warning("template %s", text)
library.warning("template %(text)s", {{"text": text}})
library.warning(f"made at run time: {{text}}")
library.warning("literal")
library.warning("extra", extra={{"prompt": text}})
library.warning("stack", stack_info=True)
try:
    raise ValueError(text)
except ValueError as error:
    ours.exception("ours.failed", digest="ab12")
    library.exception("failed: %s", error)
    library.error(error)
    logging.getLogger("uvicorn.error").error("Exception in app\\n", exc_info=error)

async def lose_a_task():
    async def fail():
        raise ValueError(text)
    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()

asyncio.run(lose_a_task())
"""


@pytest.fixture(scope="module", params=["django", "node"])
def printed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    script = tmp_path_factory.mktemp("logs") / "events.py"
    script.write_text(EVENTS)
    ended = subprocess.run(
        [sys.executable, str(script), request.param],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return ended.stdout + ended.stderr


def test_nothing_that_a_patient_wrote_is_printed(printed: str) -> None:
    assert TEXT not in printed
    assert "Mrs Example" not in printed
    assert "Traceback" not in printed


def test_each_line_is_json_with_keys_of_the_list_L26(printed: str) -> None:
    lines = [json.loads(line) for line in printed.splitlines()]
    assert len(lines) == 12
    assert {key for line in lines for key in line} <= logs.ALLOWED_KEYS


def test_lines_still_say_what_happened_and_where(printed: str) -> None:
    lines = [json.loads(line) for line in printed.splitlines()]
    events = [line["event"] for line in lines]
    assert events.count("(text withheld)") == 3  # the f-string, the error as message, asyncio's
    assert {"ours.event", "template %s", "literal", "failed: %s", "Exception in app"} <= set(events)
    assert all("where" in line for line in lines if line["event"] == "(text withheld)")
    assert all(line["logger"] and line["level"] for line in lines)
    ours = next(line for line in lines if line["event"] == "ours.failed")
    assert ours["error_type"] == "ValueError"
    assert "events.py:" in ours["where"]
    assert ours["digest"] == "ab12"


def _calls_of_loggers() -> Iterator[tuple[str, ast.Call]]:
    for folder in ("config", "registry", "compliance", "serving", "deliveries"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.is_relative_to(TOOLKIT):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in LEVELS
                    and ast.unparse(node.func.value) in {"log", "_log", "logger"}
                ):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_our_events_are_names_written_in_the_source() -> None:
    calls = list(_calls_of_loggers())
    assert len(calls) > 20
    wrong = [
        where
        for where, call in calls
        if len(call.args) != 1
        or not isinstance(call.args[0], ast.Constant)
        or any(word.arg is None for word in call.keywords)
    ]
    assert not wrong, f"one literal event and named keys, no more: {wrong}"


def test_our_events_use_keys_of_the_list() -> None:
    wrong = []
    for where, call in _calls_of_loggers():
        allowed = logs.ALLOWED_KEYS
        if where.startswith("serving/node/"):
            allowed = node_log.ALLOWED_KEYS
        given = {word.arg for word in call.keywords} - {"exc_info"}
        wrong += [f"{where} {key}" for key in sorted(map(str, given)) if key not in allowed]
    assert not wrong, f"these keys would be dropped: {wrong}"
