"""Commands in another shell talk to the servers that a running stack has started."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from config.stack.ports import free_port
from config.stack.stack import ROOT, Stack

ASK = (
    "from django.conf import settings; from django.db import connection; "
    "connection.ensure_connection(); print(connection.vendor, settings.REDIS_URL, settings.PORT)"
)


def _ask(home: Path) -> str:
    env = {
        key: val for key, val in os.environ.items() if not key.endswith("_URL") and key != "PORT"
    }
    ended = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup(); {ASK}"],
        cwd=ROOT,
        env={**env, "FORMULARY_HOME": str(home), "DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.strip()


def test_commands_find_the_servers_of_a_running_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)  # the embedded PostgreSQL runs as another user
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.delenv("REDIS_URL")
    home, port = tmp_path / "home", free_port()
    stack = Stack(
        home=home, port=port, node_slots=2, node_threads=1, is_durable=False, echo_logs=False
    )
    try:
        stack._start_services()
        assert _ask(home) == f"postgresql {stack.env['REDIS_URL']} {port}"
        assert stat.S_IMODE((home / "running.env").stat().st_mode) == 0o600
    finally:
        stack._stop_services()
    assert not (home / "running.env").exists()
    assert _ask(home).startswith("sqlite")
