"""Keeps the flags file in the store equal to the rows: written from them, never read back."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.db import connection, transaction
from django.db.models import F

from config.core import storage
from config.core.object_store import store_failures
from registry import avatar_selectors as selectors
from registry.domain.avatars import AvatarKeys
from registry.models import Avatar

log = structlog.get_logger(__name__)


def raise_revision(avatar: Avatar) -> None:
    """Note, in the transaction of a change, that the file must be written after it.

    The caller holds the avatar's row.
    """
    Avatar.objects.filter(pk=avatar.pk).update(flags_revision=F("flags_revision") + 1)
    # Robust: what is committed is answered as done, whatever becomes of the file.
    transaction.on_commit(lambda: settle(avatar.pk), robust=True)


def settle(avatar_id: int) -> None:
    """Write the file; a store that fails is met again by ``sweep``."""
    try:
        write(avatar_id)
    except store_failures() as error:
        log.warning(
            "flags_file.not_written", object=f"avatar {avatar_id}", error=type(error).__name__
        )


def sweep() -> int:
    """Write every file that is behind its rows; returns how many were tried."""
    behind = Avatar.objects.filter(flags_written__lt=F("flags_revision"))
    tried = list(behind.values_list("pk", flat=True)[:500])
    for avatar_id in tried:
        settle(avatar_id)
    return len(tried)


def write(avatar_id: int) -> None:
    """Write the file from the rows, or remove it with its avatar.

    One writer at a time and each reads after it became the writer: so the last to write has read
    the newest rows, and no older file can overwrite a newer one.
    """
    with _only_writer(avatar_id):
        avatar = Avatar.objects.select_related("owner").get(pk=avatar_id)
        if avatar.flags_written >= avatar.flags_revision:
            return
        # Rows that are newer than the revision do no harm: their own writer comes after us.
        flags = selectors.flags_of(avatar)
        key = AvatarKeys(avatar.owner.username, avatar.name).flags
        if avatar.deleted_at is None:
            put(key, json.dumps(flags, ensure_ascii=False, sort_keys=True, indent=2).encode())
        elif not _is_in_use(avatar):
            storage.delete(key)
        Avatar.objects.filter(pk=avatar_id).update(flags_written=avatar.flags_revision)


def _is_in_use(avatar: Avatar) -> bool:
    """Whether a younger avatar of the same name writes the same file."""
    return Avatar.objects.filter(
        owner=avatar.owner, name=avatar.name, deleted_at__isnull=True
    ).exists()


def put(key: str, data: bytes) -> None:
    """Store ``data`` under ``key``, whole or not at all, in the place of what is there."""
    store: Any = storage.blob_storage()
    if not isinstance(store, FileSystemStorage):
        store.save(key, ContentFile(data))
        return
    target = Path(store.path(key))
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{uuid.uuid4().hex}")
    try:
        beside.write_bytes(data)
        beside.chmod(0o600)
        beside.rename(target)
    finally:
        with suppress(FileNotFoundError):
            beside.unlink()


@contextmanager
def _only_writer(avatar_id: int) -> Iterator[None]:
    """PostgreSQL: an advisory lock of the session, which ends with it. SQLite: a locked file.

    No lock of a transaction: the store is on a network, and a row must not wait for it.
    """
    owner = Avatar.objects.values_list("owner_id", "name").get(pk=avatar_id)
    name = f"formulary/flags/{owner[0]}/{owner[1]}"
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])
        return
    import fcntl

    path = Path(settings.FORMULARY_HOME) / "flags.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
