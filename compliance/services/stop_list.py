"""The list of stops outside the database: an append-only file of JSON lines."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings


def path() -> Path:
    """Where the list lies."""
    return Path(settings.FORMULARY_HOME) / "stops.jsonl"


def append(line: Mapping[str, str]) -> None:
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
    found: dict[str, str] = {}
    try:
        lines = path().read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return found
    for line in lines:
        try:
            entry = json.loads(line)
            digest, act = str(entry["digest"]), entry["act"]
        except (ValueError, KeyError, TypeError):
            continue  # the end of a line that a power cut left half written
        if act == "stop":
            found[digest] = str(entry.get("reason", ""))
        elif act == "release":
            found.pop(digest, None)
    return found
