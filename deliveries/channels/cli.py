"""Runs a command that an administrator has named, or only fills the prompt into a text.

A caller chooses a command by its name and never says what runs: the argument list comes from the
settings, no shell reads it, and the prompt reaches it in a file and not in an argument.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from config.stack.processes import die_with_parent
from deliveries.channels.base import KEPT_BYTES, Channel, Parcel, Receipt, shortened
from deliveries.domain.delivery_targets import PROMPT_MARK, CliTarget
from deliveries.domain.modes import Mode
from deliveries.errors import ChannelFailed, ChannelRefused

FILE_MARK = "{prompt_file}"
FILE_PREFIX = "lora_prompt_"
READ_BYTES = 64 * 1024
READ_SECONDS = 5.0
# All that a command gets to see of our environment, which holds secrets.
KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ")


class CliChannel(Channel):
    """``argv … --prompt-file <path>``; exit code 0 is a delivery, any other a failure."""

    mode = Mode.CLI

    def deliver(self, parcel: Parcel) -> Receipt:
        """Run the command once and read what it says."""
        assert isinstance(parcel.target, CliTarget)
        if parcel.target.text:
            # Not str.format: its fields reach into objects.
            return Receipt({"text": parcel.target.text.replace(PROMPT_MARK, parcel.prompt)})
        argv = self.means.commands.get(parcel.target.command)
        if argv is None:
            raise ChannelRefused(
                "There is no command of this name.",
                fix="An administrator names commands in DELIVERY_COMMANDS.",
            )
        try:
            with prompt_file(self.means.prompt_folder, parcel) as path:
                return self._run(_filled(argv, path), parcel)
        except OSError as error:  # a full disk, say
            raise ChannelFailed(
                f"The prompt can't be written into a file: {type(error).__name__}."
            ) from error

    def _run(self, argv: Sequence[str], parcel: Parcel) -> Receipt:
        environment = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
        try:
            process = subprocess.Popen(  # noqa: S603 - the administrator's own argument list
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self.means.prompt_folder,
                env={**environment, "IDEMPOTENCY_KEY": parcel.key},
                # A group of its own, so that what it starts ends with it; and with us.
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - system calls only
            )
        except OSError as error:
            raise ChannelFailed(f"The command can't be started: {type(error).__name__}.") from error
        out, err = _Tail(process.stdout), _Tail(process.stderr)
        is_late = False
        try:
            code = process.wait(self.means.timeout_seconds)
        except subprocess.TimeoutExpired:
            is_late = True
        finally:
            _end_group(process)
            code = process.wait()
        detail = {"exit_code": code, "stdout": out.text(), "stderr": err.text()}
        if is_late:
            raise ChannelFailed(
                f"The command did not end within {self.means.timeout_seconds:g} s.", detail=detail
            )
        if code != 0:
            raise ChannelFailed(f"The command ended with exit code {code}.", detail=detail)
        return Receipt(detail)


class _Tail(threading.Thread):
    """Reads a pipe to its end, keeping the beginning: a chatty command is never blocked."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        super().__init__(daemon=True)
        assert stream is not None, "a pipe"
        self._stream, self._kept = stream, bytearray()
        self.start()

    def run(self) -> None:
        """Until the last holder of the pipe has closed it."""
        with self._stream:
            while part := os.read(self._stream.fileno(), READ_BYTES):
                self._kept += part[: max(0, KEPT_BYTES - len(self._kept))]

    def text(self) -> str:
        """What was kept, once the pipe has ended; who left the group may hold it open longer."""
        self.join(READ_SECONDS)
        return shortened(bytes(self._kept))


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # nobody of the group is left


def _filled(argv: Sequence[str], path: Path) -> list[str]:
    if any(FILE_MARK in argument for argument in argv):
        return [argument.replace(FILE_MARK, str(path)) for argument in argv]
    return [*argv, "--prompt-file", str(path)]


@contextmanager
def prompt_file(folder: Path, parcel: Parcel) -> Iterator[Path]:
    """A file of mode 0600 with the prompt, removed at the end of the block.

    Its name is the job's: the next try removes what a killed one has left.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{FILE_PREFIX}{parcel.key}.txt"
    path.unlink(missing_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(parcel.prompt)
        yield path
    finally:
        path.unlink(missing_ok=True)


def forget_prompt_files(folder: Path, *, older_than: float) -> int:
    """Remove files that killed tries left before ``older_than`` (Unix seconds); how many."""
    count = 0
    for path in folder.glob(f"{FILE_PREFIX}*"):
        try:
            if path.stat().st_mtime < older_than:
                path.unlink()
                count += 1
        except FileNotFoundError:
            continue  # its own try was faster
    return count
