"""Which processes make up Formulary, in what order they start, and what they are told."""

import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from .ports import first_free_from, free_port
from .postgres import Postgres, PostgresFailed
from .processes import die_with_parent
from .supervisor import Child, GivesUp, RestartPolicy, Supervisor
from .valkey import Valkey, ValkeyFailed

ROOT = Path(__file__).resolve().parent.parent.parent
BASE = "smollm2-135m"
NODE = "node-1"
READY_SECONDS = 180.0
TEND_SECONDS = 0.05


class StackFailed(RuntimeError):
    """A part could not be started; the text says which and where its log lies."""


class Stack:
    """The embedded services, and every process of Formulary under one supervisor."""

    def __init__(
        self,
        *,
        home: Path,
        port: int,
        node_slots: int,
        node_threads: int,
        is_durable: bool,
        echo_logs: bool,
        engine: str = "torch",
        base: str = BASE,
        restarts: RestartPolicy | None = None,
    ) -> None:
        self.home = home
        self._engine, self._base, self._restarts = engine, base, restarts
        self.port = first_free_from(port)
        if self.port != port:
            self.say(f"Port {port} is busy; using {self.port}.")
        self.url = f"http://127.0.0.1:{self.port}"
        self._node_slots = node_slots
        self._node_threads = node_threads
        self._is_durable = is_durable
        self._echo_logs = echo_logs
        self._must_stop = False
        self._postgres: Postgres | None = None
        self._valkey: Valkey | None = None
        self.env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "FORMULARY_HOME": str(home),
            "PORT": str(self.port),
            "FORMULARY_URL": self.url,
            "PYTHONUNBUFFERED": "1",
            # migrate runs Django's checks before anything else starts; in each of six workers, at
            # each start, they would import all pages and take a second of the processor.
            "CELERY_SKIP_CHECKS": "1",
        }
        # One torch thread a process; the node is told its own number.
        self.env.setdefault("OMP_NUM_THREADS", "1")
        home.mkdir(parents=True, exist_ok=True)

    def say(self, text: str) -> None:
        """A line for the person who started us."""
        print(text, flush=True)

    def run(self, *, job: Sequence[str] = (), exit_after_job: bool = False) -> int:
        """Start all, run ``job``, wait until told to stop; returns the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask_to_stop)
        supervisor = Supervisor(
            env=self.env,
            cwd=ROOT,
            log_folder=self.home / "logs",
            say=self.say,
            echo_logs=self._echo_logs,
            policy=self._restarts,
        )
        try:
            self._start_services()
            self._prepare()
            self._keep_services(supervisor)
            self._start_processes(supervisor)
            self._wait_until_ready(supervisor)
            self.say(f"Formulary is running: {self.url}/console/")
            code = self._run_job(job, supervisor) if job else 0
            while not self._must_stop and not (job and exit_after_job):
                supervisor.tend()
                time.sleep(TEND_SECONDS)
            return code
        except (PostgresFailed, ValkeyFailed, GivesUp) as error:
            raise StackFailed(str(error)) from error
        finally:
            supervisor.stop()
            self._stop_services()

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        self._must_stop = True

    def _start_services(self) -> None:
        if not self.env.get("DATABASE_URL"):
            self.say("Starting PostgreSQL …")
            self._postgres = Postgres(self.home / "postgres", is_durable=self._is_durable)
            self.env["DATABASE_URL"] = self._postgres.start()
        if not self.env.get("REDIS_URL"):
            self.say("Starting Redis (Valkey) …")
            self._valkey = Valkey(self.home / "valkey", is_durable=self._is_durable)
            self.env["REDIS_URL"] = self._valkey.start()
        self._running_file.unlink(missing_ok=True)
        self._running_file.touch(mode=0o600)
        self._running_file.write_text(
            "".join(f"{key}={self.env[key]}\n" for key in ("DATABASE_URL", "REDIS_URL", "PORT"))
        )

    def _keep_services(self, supervisor: Supervisor) -> None:
        """The servers come back like all others: on their port, with their password and data."""
        for name, server in (("postgres", self._postgres), ("valkey", self._valkey)):
            if server is not None:
                supervisor.add(Child(name, launch=server.restart, process=server.process))

    def _stop_services(self) -> None:
        self._running_file.unlink(missing_ok=True)
        if self._valkey is not None:
            self._valkey.stop()
        if self._postgres is not None:
            self._postgres.stop()

    @property
    def _running_file(self) -> Path:
        """Where manage.py in another shell finds the servers run (config/settings/house.py)."""
        return self.home / "running.env"

    def manage(self, *arguments: str, **env: str) -> str:
        """Run a command of manage.py to its end; returns what it printed.

        Raises:
            StackFailed: it ended with another code than 0.
        """
        result = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=die_with_parent(),
        )
        if result.returncode:
            raise StackFailed(f"manage.py {arguments[0]}: {result.stderr.strip()[-2000:]}")
        return result.stdout.strip()

    def _prepare(self) -> None:
        self.say("Preparing the database …")
        self.manage("migrate", "--no-input", "--verbosity", "0")
        if self.env.get("FORMULARY_ADMIN_USER"):
            self.manage("ensure_admin", "--skip-checks")
        self._import_base()
        self._register_node()

    def _register_node(self) -> None:
        secret_file = self.home / "keys" / f"{NODE}.secret"
        if not secret_file.exists():
            secret_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            secret_file.touch(mode=0o600)
            secret_file.write_text(secrets.token_urlsafe(32))
        self._node_port = free_port()
        token = self.manage(
            "register_node", NODE, "--base", self._slug, "--engine", self._engine,
            "--url", f"http://127.0.0.1:{self._node_port}",
            "--secret-file", str(secret_file), "--issue-agent-token", "--skip-checks",
        )  # fmt: skip
        self._secret_file = secret_file
        self._agent_env = {
            "FORMULARY_AGENT_TOKEN": token,
            "FORMULARY_NODE_URL": f"http://127.0.0.1:{self._node_port}",
            "FORMULARY_NODE_SECRET": secret_file.read_text(),
        }

    @property
    def _slug(self) -> str:
        """The base's name in Formulary; a folder's is its own."""
        return Path(self._base).name

    def _import_base(self) -> None:
        if self._slug != self._base:
            self.manage("import_base", self._base, "--slug", self._slug, "--skip-checks")
            return
        self.say(f"Preparing the base model {self._base} (once, about a minute) …")
        self.manage("import_base", "--packaged", self._base, "--skip-checks")

    def _celery(self, name: str, queues: str, concurrency: int) -> list[str]:
        return [
            sys.executable, "-m", "celery", "-A", "config.celery", "worker",
            "-n", f"{name}@%h", "-Q", queues, "--pool", "prefork",
            "--concurrency", str(concurrency),
            "--without-gossip", "--without-mingle", "--loglevel", "WARNING",
        ]  # fmt: skip

    def _start_processes(self, supervisor: Supervisor) -> None:
        python = sys.executable
        threads = str(self._node_threads)
        supervisor.add(
            Child("node", [
                python, "manage.py", "serve_node", "--engine", self._engine, "--base", self._base,
                "--name", NODE, "--host", "127.0.0.1", "--port", str(self._node_port),
                "--slots", str(self._node_slots), "--threads", threads,
                "--secret-file", str(self._secret_file),
            ], env={"OMP_NUM_THREADS": threads})
        )  # fmt: skip
        supervisor.add(
            Child("web", [
                python, "-m", "uvicorn", "config.asgi:application", "--host", "127.0.0.1",
                "--port", str(self.port), "--lifespan", "on", "--no-access-log",
                "--log-level", "warning", "--timeout-graceful-shutdown", "5",
            ])
        )  # fmt: skip
        supervisor.add(Child("control", [python, "manage.py", "run_control"]))
        supervisor.add(Child("rollouts", self._celery("rollouts", "control", 1)))
        supervisor.add(Child("worker", self._celery("worker", "checks,evaluations", 2)))
        supervisor.add(Child("courier", self._celery("courier", "deliveries", 2)))
        if self._engine == "torch":
            # Each training in a process of its own, whose memory goes with it.
            trainer = [*self._celery("trainer", "training", 1), "--max-tasks-per-child", "1"]
            supervisor.add(Child("trainer", trainer))
        supervisor.add(
            Child("beat", [
                python, "-m", "celery", "-A", "config.celery", "beat", "--loglevel", "WARNING",
                "--schedule", str(self.home / "beat-schedule"), "--pidfile", "",
            ])
        )  # fmt: skip
        supervisor.add(Child("agent", self._celery("agent", f"node.{NODE}", 1), self._agent_env))

    def _wait_until_ready(self, supervisor: Supervisor) -> None:
        self.say(f"Starting web, workers, beat and one {self._engine} node …")
        waiting = {
            "web": f"{self.url}/accounts/login/",
            "node": f"http://127.0.0.1:{self._node_port}/healthz",
        }
        deadline = time.monotonic() + READY_SECONDS
        while waiting:
            for name, url in list(waiting.items()):
                try:
                    with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - loopback
                        if answer.status == 200:
                            del waiting[name]
                except (urllib.error.URLError, OSError):
                    pass
            supervisor.tend()
            if self._must_stop:
                raise StackFailed("stopped before everything was up")
            if time.monotonic() > deadline:
                names = ", ".join(waiting)
                raise StackFailed(f"{names} did not answer; see the logs in {self.home / 'logs'}")
            time.sleep(0.2)

    def _run_job(self, job: Sequence[str], supervisor: Supervisor) -> int:
        """Run ``job`` on our terminal while the children are tended; returns its exit code."""
        process = subprocess.Popen(  # noqa: S603 - the caller's own command
            list(job),
            cwd=ROOT,
            env=self.env,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - it only makes system calls
            start_new_session=True,
        )
        while process.poll() is None:
            supervisor.tend()
            if self._must_stop:
                # The job may have children of its own: its whole session is told.
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
            time.sleep(0.2)
        # A job ended by a signal has a negative code; a shell's is 128 and the signal's number.
        return process.returncode if process.returncode >= 0 else 128 - process.returncode
