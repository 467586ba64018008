"""Starts every process of Formulary, restarts what dies, and ends them all together."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from .processes import die_with_parent

STOP_SECONDS = 10.0
_BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_CALM_SECONDS = 60.0


@dataclass
class Child:
    """One supervised process: how to start it, and how it has fared."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None
    failures: int = 0
    started_at: float = 0.0
    start_again_at: float | None = None


class Supervisor:
    """Runs in the main thread: the kernel ties a child's death signal to the forking thread."""

    def __init__(
        self,
        *,
        env: Mapping[str, str],
        cwd: Path,
        log_folder: Path,
        say: Callable[[str], None],
        echo_logs: bool,
    ) -> None:
        self._env = dict(env)
        self._cwd = cwd
        self._log_folder = log_folder
        self._say = say
        self._echo_logs = echo_logs
        self._children: dict[str, Child] = {}
        self._is_stopping = False
        log_folder.mkdir(parents=True, exist_ok=True)

    def add(self, child: Child) -> None:
        """Start ``child`` and keep it running."""
        self._children[child.name] = child
        self._start(child)

    def _start(self, child: Child) -> None:
        child.process = subprocess.Popen(  # noqa: S603 - our own commands
            list(child.command),
            cwd=self._cwd,
            env={**self._env, **child.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # A session of its own: the terminal's Ctrl-C reaches us alone, and each child gets
            # one SIGTERM from us. Two signals would make a worker drop its task.
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - it only makes system calls
        )
        child.started_at = time.monotonic()
        child.start_again_at = None
        assert child.process.stdout is not None
        threading.Thread(
            target=self._copy_log, args=(child.name, child.process.stdout), daemon=True
        ).start()

    def _copy_log(self, name: str, stream: IO[bytes]) -> None:
        with (self._log_folder / f"{name}.log").open("ab", buffering=0) as log:
            for line in stream:
                log.write(line)
                if self._echo_logs:
                    sys.stdout.write(f"{name:<8} | {line.decode(errors='replace')}")
                    sys.stdout.flush()

    def pid_of(self, name: str) -> int | None:
        """The process id of a running child."""
        process = self._children[name].process
        return process.pid if process is not None and process.poll() is None else None

    def is_running(self, name: str) -> bool:
        """Whether the child lives now."""
        return self.pid_of(name) is not None

    def tend(self) -> None:
        """One look at every child: note who died, start again who has waited long enough."""
        now = time.monotonic()
        for child in self._children.values():
            if child.process is not None and child.process.poll() is not None:
                code = child.process.returncode
                child.process = None
                if now - child.started_at > _CALM_SECONDS:
                    child.failures = 0
                wait = _BACKOFF_SECONDS[min(child.failures, len(_BACKOFF_SECONDS) - 1)]
                child.failures += 1
                child.start_again_at = now + wait
                self._say(
                    f"{child.name} ended with {code}; it starts again in {wait:g} s "
                    f"(log: {self._log_folder / (child.name + '.log')})"
                )
            if child.start_again_at is not None and now >= child.start_again_at:
                self._start(child)

    def stop(self) -> None:
        """SIGTERM once to each, wait, then kill the groups that are left."""
        if self._is_stopping:
            return
        self._is_stopping = True
        living = [child.process for child in self._children.values() if child.process]
        for process in living:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in living:
            try:
                process.wait(timeout=max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
