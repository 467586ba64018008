"""Whether the store of bytes answers, and takes and gives back what it is given."""

import secrets
from dataclasses import dataclass

from django.core.files.base import ContentFile

from config.core.object_store import store_failures
from config.core.storage import INCOMING, blob_storage

_SAID = b"formulary"


@dataclass(frozen=True)
class StoreState:
    """What a probe found; ``fault`` is the kind of the failure, empty where there was none."""

    is_reachable: bool
    is_writable: bool
    fault: str = ""


def probe() -> StoreState:
    """Ask the store for something that is not there, then write, read and remove a small object."""
    store = blob_storage()
    key = f"{INCOMING}/probe-{secrets.token_hex(8)}"
    try:
        store.exists(key)
    except store_failures() as error:
        return StoreState(False, False, type(error).__name__)
    try:
        store.save(key, ContentFile(_SAID))
        with store.open(key) as stream:
            is_same = stream.read() == _SAID
        store.delete(key)
    except store_failures() as error:
        return StoreState(True, False, type(error).__name__)
    return StoreState(True, is_same)
