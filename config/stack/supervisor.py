"""Starts every process of Formulary, restarts what dies, and ends them all together."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from .processes import die_with_parent

STOP_SECONDS = 10.0


class GivesUp(RuntimeError):
    """A child ends again and again; the text says which, how often, and where its log lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """How a child that has ended is started again; seconds.

    The pause doubles from ``first`` up to ``cap`` and begins anew after ``calm`` in peace. The
    (``most`` + 1)-th end within ``window`` is one too many.
    """

    first_seconds: float = 0.5
    cap_seconds: float = 30.0
    calm_seconds: float = 60.0
    most: int = 10
    window_seconds: float = 300.0

    def pause_seconds(self, failures: int) -> float:
        """The pause after the ``failures``-th end in a row, counted from 0."""
        return min(self.cap_seconds, self.first_seconds * 2.0 ** min(failures, 30))


@dataclass
class Child:
    """One supervised process: how to start it, and how it has fared.

    ``launch`` starts what is not just a command, and returns when it can be used.
    """

    name: str
    command: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    launch: "Callable[[], subprocess.Popen[bytes]] | None" = None
    process: "subprocess.Popen[bytes] | None" = None
    failures: int = 0
    ended_at: deque[float] = field(default_factory=deque)
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
        policy: RestartPolicy | None = None,
    ) -> None:
        self._env = env
        self._policy = policy or RestartPolicy()
        self._cwd = cwd
        self._log_folder = log_folder
        self._pid_folder = log_folder.parent / "run"
        self._say = say
        self._echo_logs = echo_logs
        self._children: dict[str, Child] = {}
        self._is_stopping = False
        log_folder.mkdir(parents=True, exist_ok=True)
        self._pid_folder.mkdir(exist_ok=True)

    def add(self, child: Child) -> None:
        """Start ``child``, unless it runs already, and keep it running."""
        self._children[child.name] = child
        if child.process is None:
            self._start(child)
        else:
            self._note_start(child)

    def _start(self, child: Child) -> None:
        child.start_again_at = None
        if child.launch is not None:
            child.process = child.launch()
            self._note_start(child)
            return
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
            # Not asked but ended: without a supervisor nobody would start or stop them any more.
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - only system calls
        )
        self._note_start(child)
        assert child.process.stdout is not None
        threading.Thread(
            target=self._copy_log, args=(child.name, child.process.stdout), daemon=True
        ).start()

    def _note_start(self, child: Child) -> None:
        child.started_at = time.monotonic()
        assert child.process is not None
        beside = self._pid_folder / f".{child.name}.pid"
        beside.write_text(str(child.process.pid))
        beside.rename(self._pid_folder / f"{child.name}.pid")

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
        return process.pid if process is not None and not _has_ended(process) else None

    def is_running(self, name: str) -> bool:
        """Whether the child lives now."""
        return self.pid_of(name) is not None

    def tend(self) -> None:
        """One look at every child: note who died, start again who has waited long enough.

        Raises:
            GivesUp: a child has ended too often.
        """
        for child in self._children.values():
            if child.process is not None and _has_ended(child.process):
                # What it has started goes with it, before its number can be anybody else's.
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.process.pid, signal.SIGKILL)
                code = child.process.wait()
                child.process = None
                self._note_end(child, f"ended with {code}")
            if child.start_again_at is not None and time.monotonic() >= child.start_again_at:
                try:
                    self._start(child)
                except RuntimeError as error:
                    self._note_end(child, f"did not start: {error}")

    def _note_end(self, child: Child, how: str) -> None:
        now, policy = time.monotonic(), self._policy
        log_path = self._log_folder / f"{child.name}.log"
        if now - child.started_at > policy.calm_seconds:
            child.failures = 0
        pause = policy.pause_seconds(child.failures)
        child.failures += 1
        child.ended_at.append(now)
        while child.ended_at[0] < now - policy.window_seconds:
            child.ended_at.popleft()
        if len(child.ended_at) > policy.most:
            raise GivesUp(
                f"{child.name} {how}, the {len(child.ended_at)}. time in "
                f"{policy.window_seconds:g} s; see {log_path}"
            )
        child.start_again_at = now + pause
        self._say(f"{child.name} {how}; it starts again in {pause:g} s (log: {log_path})")

    def stop(self) -> None:
        """SIGTERM once to each, wait, then kill the groups that are left."""
        if self._is_stopping:
            return
        self._is_stopping = True
        living = [c.process for c in self._children.values() if c.process and c.launch is None]
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


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """Whether it is over; it is not reaped, so that its number is still its own."""
    if process.returncode is not None:
        return True
    waited = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return waited is not None
