"""Keys under which clients know bytes: assigned, moved, given up, and kept in the bucket itself."""

from datetime import timedelta

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q

from config.core import clock, object_store, storage
from config.core.object_store import store_failures
from registry.domain.artifacts import BINARY, content_type_of
from registry.models import Blob, StorageAlias
from registry.storage_errors import KeyInvalid, KeyNotFound

# Of the blob store itself: an object under such a key would pass for bytes with a digest.
RESERVED = ("sha256/", f"{storage.INCOMING}/")
KEY_LETTERS = 1000
# A younger row may be of a request that is about to put its object there itself.
SETTLED = timedelta(minutes=1)
log = structlog.get_logger(__name__)


def assign(key: str, blob: Blob, *, content_type: str = "") -> StorageAlias:
    """Let ``key`` mean ``blob`` from now on; what it meant before stays as long as it is needed.

    With STORAGE_LAYOUT=contract the object is put under its key after the commit; where that fails
    a sweep repeats it. Call it inside the transaction of the change that needs the key.

    Raises:
        KeyInvalid: an object can't lie under this key.
    """
    _check(key)
    alias, _ = StorageAlias.objects.update_or_create(
        key=key,
        defaults={
            "blob": blob,
            "content_type": content_type or content_type_of(key),
            "moved_at": clock.now(),
        },
    )
    _settle_soon(key)
    return alias


def get(key: str) -> Blob:
    """The bytes that ``key`` means.

    Raises:
        KeyNotFound: none.
    """
    alias = StorageAlias.objects.select_related("blob").filter(key=key).first()
    if alias is None or alias.blob is None:
        raise KeyNotFound(f"Nothing lies under the key {key[:200]}.")
    return alias.blob


def give_up(*keys: str) -> int:
    """Let keys mean nothing; their objects in the bucket go after the commit. How many there were.

    The bytes themselves are garbage once nothing else needs them.
    """
    found = StorageAlias.objects.filter(key__in=keys, blob__isnull=False)
    count = found.update(blob=None, moved_at=clock.now())
    for key in keys:
        _settle_soon(key)
    return count


def settle(key: str) -> None:
    """Make the bucket agree with the row, for one key.

    Raises:
        store_failures: the store does not answer; the row still says what is to be done.
    """
    with transaction.atomic():
        _wait_for_store()
        # The lock keeps two from copying and deleting under one key; the store is asked meanwhile.
        alias = (
            StorageAlias.objects.select_for_update(of=("self",), no_key=True)
            .select_related("blob")
            .filter(key=key)
            .first()
        )
        if alias is None:
            return
        if alias.blob is None:
            if alias.object_sha256:
                storage.delete(alias.key)
            alias.delete()
        elif _is_wanted(alias):
            object_store.copy(alias.blob.key, alias.key, content_type=alias.content_type or BINARY)
            StorageAlias.objects.filter(pk=alias.pk).update(object_sha256=alias.blob.sha256)


def sweep() -> int:
    """Settle what is still to be settled; how many keys were."""
    unsettled = Q(blob__isnull=True)
    if settings.STORE.has_contract_keys:
        unsettled |= ~Q(object_sha256=F("blob__sha256"))
    waiting = StorageAlias.objects.filter(unsettled, moved_at__lt=clock.now() - SETTLED)
    return sum(_settle_quietly(key) for key in waiting.values_list("key", flat=True)[:1000])


def _settle_soon(key: str) -> None:
    # Robust: what is committed is answered as done, whatever becomes of its copy.
    transaction.on_commit(lambda: _settle_quietly(key), robust=True)


def _settle_quietly(key: str) -> bool:
    """A store that is away costs the caller nothing: the row is there, and a sweep comes by."""
    try:
        settle(key)
    except store_failures() as error:
        log.warning("storage_alias.unsettled", error_type=type(error).__name__)
        return False
    return True


def _wait_for_store() -> None:
    """A store may take minutes for a copy; a connection that waits for it is no hung one."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '15min'")


def _is_wanted(alias: StorageAlias) -> bool:
    return (
        settings.STORE.has_contract_keys
        and alias.blob is not None
        and alias.object_sha256 != alias.blob.sha256
    )


def _check(key: str) -> None:
    parts = key.split("/")
    if (
        not key.isprintable()
        or not 0 < len(key.encode()) <= KEY_LETTERS
        or key.startswith(RESERVED)
        or any(part in {"", ".", ".."} for part in parts)
    ):
        raise KeyInvalid(
            f"{key[:100]!r} can't be the key of an object.",
            fix="Use parts of printable letters joined by /, none of them empty, . or .., at most "
            f"{KEY_LETTERS} bytes, and none that begins with {' or '.join(RESERVED)}.",
        )
