"""What the embedded servers have in common: a process that is started, started again, and ended."""

import signal
import subprocess
from abc import ABC, abstractmethod
from typing import ClassVar


class EmbeddedServer(ABC):
    """A server that this process starts as its child."""

    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    stop_within_seconds: ClassVar[float] = 5.0

    def __init__(self, *, is_durable: bool, port: int) -> None:
        self.is_durable = is_durable
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def start(self) -> str:
        """Start the server and wait until it answers; returns its URL."""

    def restart(self) -> "subprocess.Popen[bytes]":
        """Start it again where it was, after it has ended; its process. Raises as ``start``."""
        self.start()
        assert self._process is not None
        return self._process

    @property
    def process(self) -> "subprocess.Popen[bytes] | None":
        """The running server."""
        return self._process

    def stop(self) -> None:
        """Ask it to end, and kill it where it does not."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self.stop_signal)
            try:
                self._process.wait(timeout=self.stop_within_seconds)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
