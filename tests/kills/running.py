"""A whole Formulary under its supervisor, each part a process of its own that can be killed."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.db import connection

from config.core.failpoints import NAMES
from config.stack.ports import free_port
from config.stack.processes import die_with_parent
from registry.models import BaseModel
from tests.flows.waiting import until

# Work is taken over sooner than in production, so that a test need not wait for it.
ENVIRONMENT: Mapping[str, str] = {
    "FORMULARY_ENV": "test",
    "LOG_LEVEL": "WARNING",
    "WORK_TAKE_OVER_SECONDS": "3",
    "SWEEP_SECONDS": "1",
    "CHECKPOINT_SECONDS": "1",
}
RUNNING = "Formulary is running: "


def database_url() -> str:
    """The database of this test process."""
    to: Mapping[str, Any] = connection.settings_dict
    return f"postgres://{to['USER']}:{to['PASSWORD']}@{to['HOST']}:{to['PORT']}/{to['NAME']}"


class Running:
    """``python -m config.stack`` on this test's database, with a Redis of its own."""

    def __init__(self, *, folder: Path, base: Path, engine: str) -> None:
        self.home, self._failpoints = folder / "home", folder / "failpoints"
        self._failpoints.mkdir(parents=True)
        self._base_folder, self._engine = base, engine
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._lines: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    @property
    def base(self) -> BaseModel:
        """The base of the one node."""
        return BaseModel.objects.get()

    def start(self) -> None:
        """Start everything and wait until it answers."""
        env = {key: val for key, val in os.environ.items() if key != "REDIS_URL"}
        options = ["--home", str(self.home), "--port", str(self._port)]
        options += ["--engine", self._engine, "--base", str(self._base_folder)]
        options += ["--node-slots", "6", "--node-threads", "1", "--is-fast", "--quiet"]
        options += ["--restarts", "1000", "--restart-cap", "0"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "config.stack", *options],
            cwd=settings.BASE_DIR,
            env={
                **env,
                **ENVIRONMENT,
                "DATABASE_URL": database_url(),
                "FORMULARY_FAILPOINTS": str(self._failpoints),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=die_with_parent(),
        )
        is_up = threading.Event()
        threading.Thread(target=self._read, args=(self._process, is_up), daemon=True).start()
        assert is_up.wait(300) and self._process.poll() is None, "".join(self._lines)

    def _read(self, process: "subprocess.Popen[str]", is_up: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._lines.append(line)
            if line.startswith(RUNNING):
                # Its port is another where somebody has taken ours meanwhile.
                self.url = line.removeprefix(RUNNING).strip().removesuffix("/console/")
                is_up.set()
        is_up.set()

    def stop(self) -> None:
        """End everything in good order."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(120)

    def pid_of(self, name: str) -> int:
        """The process id of a part, as its supervisor has written it."""
        return int((self.home / "run" / f"{name}.pid").read_text())

    def arm(self, failpoint: str) -> None:
        assert failpoint in NAMES
        armed = self._failpoints / failpoint
        if not armed.exists():
            # Who came to it in the moment of its last disarming is not held there.
            self._forget(failpoint)
        armed.touch()

    def disarm(self, failpoint: str) -> None:
        (self._failpoints / failpoint).unlink()
        self._forget(failpoint)

    def _forget(self, failpoint: str) -> None:
        for file in self._failpoints.glob(f"{failpoint}.*.reached"):
            file.unlink()

    def held_at(self, failpoint: str, *, seconds: float = 120.0) -> int:
        """Wait until a process has come to an armed failpoint; its id."""

        def look() -> int | None:
            for file in self._failpoints.glob(f"{failpoint}.*.reached"):
                pid = int(file.name.removeprefix(f"{failpoint}.").split(".")[0])
                if Path(f"/proc/{pid}").exists():
                    return pid
            return None

        try:
            return int(until(look, seconds=seconds))
        except AssertionError as error:
            raise AssertionError(f"nobody came to {failpoint} in time") from error

    def await_web(self) -> None:
        """The console answers, whoever was killed."""

        def look() -> bool:
            try:
                return httpx.get(f"{self.url}/accounts/login/", timeout=5).status_code == 200
            except httpx.TransportError:
                return False

        until(look, seconds=120)


def parent_of(pid: int) -> int:
    """The process that started ``pid``."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def is_gone(pid: int) -> bool:
    """Whether a process has ended (its parent may not have asked how)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # it may end while it is read
        return True
