"""The list of stops outside the database: an append-only file of JSON lines.

A stop is two lines: ``stop`` before the database is asked, ``kept`` with the epoch once it has
committed. A release is one, ``release`` with the epoch, after its commit.
"""

import json
import os
from collections.abc import Mapping

from compliance.selectors.stop_list import StopList, path, stop_list


def append(line: Mapping[str, str | int]) -> None:
    """Add a line and wait until the disk has it."""
    target = path()
    target.parent.mkdir(parents=True, exist_ok=True)
    data = (json.dumps(dict(line), ensure_ascii=True) + "\n").encode()
    with os.fdopen(os.open(target, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b") as stream:
        if stream.seek(0, os.SEEK_END) > 0:
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                data = b"\n" + data  # a power cut left half a line
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def stopped() -> dict[str, str]:
    """Digest → reason of each stop in the file that no later line releases."""
    return {digest: line.reason for digest, line in read().stopped.items()}


def read() -> StopList:
    """The list as it is now.

    Raises:
        OSError: it is there and can't be read.
    """
    return stop_list()
