"""Mirrors the metadata of all entries at once, with their files looked at anew."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from config.core.actors import Actor
from config.core.errors import StoreAway
from deliveries.domain.file_refs import S3
from deliveries.manager_errors import EntryNotFound, FilePathRefused
from deliveries.models import LoraEntry
from deliveries.selectors.entries import entries as present
from deliveries.services import entries, metadata, settling


@dataclass(frozen=True, slots=True)
class Synced:
    """One entry, where its document lies, and what went wrong (empty: nothing)."""

    entry: LoraEntry
    address: str
    error: str = ""


def sync_all(*, is_dry_run: bool, actor: Actor) -> Iterator[Synced]:
    """Hash each entry's file, write down what changed, mirror it, have it validated.

    An entry whose file is gone or unreadable is told and left as it lies in the store. With
    ``is_dry_run`` files are looked at and nothing is written anywhere.
    """
    for entry in present().order_by("pk").iterator(chunk_size=200):
        target = metadata.target_of(entry)
        address = f"{S3}{target.bucket}/{target.key}"
        yield Synced(entry, address, _sync(entry, is_dry_run=is_dry_run, actor=actor))


def _sync(entry: LoraEntry, *, is_dry_run: bool, actor: Actor) -> str:
    try:
        if is_dry_run:
            entries.require_file(entry)
            return ""
        return _mirrored_anew(entry.pk, actor=actor)
    except (FilePathRefused, StoreAway) as error:
        return error.message
    except EntryNotFound:
        return ""  # deleted while we looked at its file


def _mirrored_anew(entry_id: int, *, actor: Actor) -> str:
    """Why the entry as it is now could not be mirrored; empty where it was."""
    with settling.alone(entry_id) as is_alone:
        if not is_alone and settings.METADATA_SYNC:
            return ""  # a worker is writing it
        entry = present().filter(pk=entry_id).first()
        if entry is None:
            return ""  # deleted since the list was read
        entry = entries.look_again(entry=entry, actor=actor)
        if not metadata.mirror(entry):
            entry.refresh_from_db()
            return entry.mirror_error
    settling.settle(entry_id=entry_id)
    return ""
