"""Reads the list of stops outside the database: who is stopped, and how far its count went."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from config.core.texts import made_storable


@dataclass(frozen=True)
class ListedStop:
    """Why a digest was stopped, and when; ``at`` is None where the line does not say."""

    reason: str
    at: datetime | None


@dataclass(frozen=True)
class StopList:
    """``stopped``: digest → the newest stop's line, where no later line releases it.

    ``epoch``: the highest count of the stops that a line was written under; it was committed, so a
    database that counts less is older than this list.
    """

    stopped: Mapping[str, ListedStop] = field(default_factory=dict)
    epoch: int = 0


_read: dict[Path, tuple[tuple[int, int, int], StopList]] = {}


def path() -> Path:
    """Where the list lies."""
    return Path(settings.FORMULARY_HOME) / "stops.jsonl"


def stop_list() -> StopList:
    """The list as it is now; the file is read again only when it changed.

    Raises:
        OSError: it is there and can't be read.
    """
    target = path()
    try:
        found = target.stat()
    except FileNotFoundError:
        return StopList()
    mark = (found.st_ino, found.st_size, found.st_mtime_ns)
    known = _read.get(target)
    if known is None or known[0] != mark:
        known = (mark, _parse(target.read_text(encoding="utf-8", errors="replace")))
        _read[target] = known
    return known[1]


def _parse(text: str) -> StopList:
    stopped: dict[str, ListedStop] = {}
    epoch = 0
    for line in text.splitlines():
        try:
            entry = json.loads(line)
            act, digest = entry["act"], str(entry["digest"])
            epoch = max(epoch, int(entry.get("epoch", 0)))
        except (ValueError, KeyError, TypeError):
            continue  # the end of a line that a power cut left half written
        if act == "stop":
            # What the database can't take must not keep it from learning of the stop.
            reason = made_storable(str(entry.get("reason", "")))
            stopped[digest] = ListedStop(reason, _moment(entry.get("at")))
        elif act == "release":
            stopped.pop(digest, None)
    return StopList(stopped, epoch)


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
