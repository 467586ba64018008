"""Nodes as processes of their own, and what celery's workers do in a thread."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import redis
from django.conf import settings
from django.db import connection

from compliance.models import CheckRun
from compliance.states import RunState
from compliance.tasks import execute_check_run
from config.stack.ports import free_port
from serving import agent, tasks
from serving.models import Replica
from serving.selectors.evaluations import runs_to_take_up
from serving.states import ReplicaState

SECRET = "a secret of the nodes of these flows"
QUEUES = ("control", "checks", "evaluations")


class NodeProcess:
    """``python -m serving.node``; it may be killed and started again on its port."""

    def __init__(
        self, *, name: str, base: Path, folder: Path, engine: str, **options: int | str
    ) -> None:
        # One that nobody gets by chance while it is killed and not yet back.
        self.name, self._folder, self._port = name, folder, str(free_port())
        folder.mkdir(parents=True)
        (folder / "secret").write_text(SECRET)
        self._arguments = ["--engine", engine, "--base", str(base), "--name", name, "--threads=1"]
        self._arguments += [f"--{key.replace('_', '-')}={val}" for key, val in options.items()]
        self._process: subprocess.Popen[str] | None = None
        self.lines: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it and wait until it listens."""
        files = [
            f"--secret-file={self._folder / 'secret'}",
            f"--port={self._port}",
        ]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "serving.node", *self._arguments, *files],
            cwd=settings.BASE_DIR,
            env={**os.environ, "FORMULARY_ENV": "test", "LOG_LEVEL": "INFO"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        listening = threading.Event()
        threading.Thread(target=self._read, args=(self._process, listening), daemon=True).start()
        assert listening.wait(90) and self._process.poll() is None, "".join(self.lines)

    def _read(self, process: "subprocess.Popen[str]", listening: threading.Event) -> None:
        assert process.stdout is not None
        with process.stdout as stream:
            for line in stream:
                self.lines.append(line)
                if "node.listening" in line:
                    listening.set()
        listening.set()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {SECRET}"}
        return httpx.request(method, f"{self.url}/node/v1/{path}", json=body, headers=headers)


class Workers:
    """What waits is done by the tasks' own functions, round after round, in one thread.

    A round follows each nudge that somebody has sent to a queue, and ``SWEEP_SECONDS`` without one.
    """

    SWEEP_SECONDS = 0.3

    def __init__(self, *, node_queue: str) -> None:
        self._queues = [*QUEUES, node_queue]
        self._redis = redis.Redis.from_url(settings.REDIS_URL)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="workers", daemon=True)
        self.error: Exception | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after this round; an error in one of the rounds fails the test."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join(60)
            assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._round()
            except Exception as error:  # noqa: BLE001 - told at the end, in the test's thread
                self.error = self.error or error
                self._ending.set()
            finally:
                connection.close()
            self._await_nudges()
        self._redis.close()

    def _await_nudges(self) -> None:
        """Take all messages that there are: what they are about, a round finds in the database."""
        if self._redis.blpop(self._queues, timeout=self.SWEEP_SECONDS):
            self._redis.delete(*self._queues)

    def _round(self) -> None:
        waiting_checks = CheckRun.objects.filter(state=RunState.WAITING).order_by("pk")
        for run_id in list(waiting_checks.values_list("pk", flat=True)):
            execute_check_run(run_id)
        tasks.reconcile_nodes()
        waiting = [ReplicaState.WANTED, ReplicaState.UNLOADING]
        for uuid, state in Replica.objects.filter(state__in=waiting).values_list("uuid", "state"):
            if state == ReplicaState.WANTED:
                agent.load_replica(str(uuid))
            else:
                agent.unload_replica(str(uuid))
        for run_id in runs_to_take_up():
            tasks.run_evaluation(run_id)
        tasks.sweep_rollouts()
