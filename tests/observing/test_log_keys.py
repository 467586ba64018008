"""Keys that are not on the list never reach the log, whatever they hold; each is counted."""

import io
import json
import logging
import os
import subprocess
import sys

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from config.core import log_lines, logs
from serving.node import log as node_log
from tests.architecture.environment import ROOT

SENTINEL = "Mrs Example coughs"
KEYS = st.text(min_size=1, max_size=20).filter(lambda key: not key.startswith("_"))
VALUES = st.recursive(
    st.just(SENTINEL) | st.integers() | st.none() | st.text(max_size=10).map(SENTINEL.__add__),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
OURS = {"self", "event", "exc_info", "stack_info", "positional_args"}


@pytest.fixture(scope="module", params=["django", "node"])
def printed(request: pytest.FixtureRequest):
    """The handler of a fresh set-up with this process's list, writing to memory."""
    allowed = logs.ALLOWED_KEYS if request.param == "django" else node_log.ALLOWED_KEYS
    root, before = logging.getLogger(), (logging.getLogger().handlers[:], logging.getLogger().level)
    config = structlog.get_config()
    log_lines.configure(level="INFO", allowed=allowed)
    stream = io.StringIO()
    assert isinstance(root.handlers[0], logging.StreamHandler)
    root.handlers[0].setStream(stream)
    yield stream, allowed
    structlog.configure(**config)
    root.handlers[:], root.level = before


@settings(max_examples=120, deadline=None)
@given(extra=st.dictionaries(KEYS, VALUES, min_size=1, max_size=6))
def test_no_random_key_or_its_value_is_printed(printed, extra) -> None:
    stream, allowed = printed
    extra = {key: value for key, value in extra.items() if key not in allowed | OURS}
    stream.seek(0)
    stream.truncate()
    before = log_lines.dropped_keys()
    structlog.get_logger("ours").warning("ours.event", digest="ab12", **extra)
    line = json.loads(stream.getvalue())
    assert set(line) <= allowed
    assert line["digest"] == "ab12"
    assert SENTINEL not in stream.getvalue()
    assert log_lines.dropped_keys() - before == len(extra)


def test_arguments_of_tasks_are_not_logged(tmp_path) -> None:
    """Celery's own lines about a task that comes, ends and fails hold its arguments."""
    script = tmp_path / "tasks.py"
    script.write_text(
        "import django; django.setup()\n"
        "import logging\n"
        "from config.celery import app\n"
        "from celery.app.trace import build_tracer\n"
        "from celery.utils.log import get_logger\n"
        "from config.core.logs import configure\n"
        "configure()\n"
        "logging.getLogger('celery').setLevel('DEBUG')\n"
        "@app.task(name='good')\n"
        "def good(text): return text\n"
        "@app.task(name='bad')\n"
        "def bad(text): raise ValueError(text)\n"
        f"text = {SENTINEL!r}\n"
        "for task in (good, bad):\n"
        "    tracer = build_tracer(task.name, task, app=app, eager=False)\n"
        "    tracer('an-id', (text,), {}, {'id': 'an-id', 'task': task.name,\n"
        "        'args': (text,), 'kwargs': {}, 'argsrepr': repr((text,)),\n"
        "        'delivery_info': {}, 'hostname': 'h'})\n"
        "get_logger('celery.worker.strategy').info('Task %s[%s] received', 'good', text)\n"
    )
    ended = subprocess.run(
        [sys.executable, str(script)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "LOG_LEVEL": "DEBUG",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    (failed,) = [line for line in lines if line["logger"] == "celery.app.trace"]
    assert (failed["level"], failed["error_type"]) == ("error", "ValueError")
    assert SENTINEL not in ended.stdout + ended.stderr
