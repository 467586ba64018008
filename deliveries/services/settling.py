"""What follows a change of an entry, after its commit: hash, mirror, ask the outside validator."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from kombu.exceptions import OperationalError

from compliance.services import audit
from config.core import broker, egress
from config.core.actors import SYSTEM
from config.core.errors import StoreAway
from config.core.heartbeats import beating
from deliveries.manager_errors import FilePathRefused
from deliveries.models import LoraEntry, Validation
from deliveries.services import files, metadata

log = structlog.get_logger(__name__)
TASK = "deliveries.tasks.settle_entry"
QUEUE = "checks"
ROUNDS = 3
VALIDATOR_MAX_BYTES = 64 * 1024
OBJECT_TYPE = "lora_entry"


def nudge_on_commit(entry_id: int) -> None:
    """Settle the entry once the caller's transaction has committed."""
    transaction.on_commit(lambda: nudge(entry_id))


def nudge(entry_id: int) -> None:
    """Have a worker settle the entry; a single process without a broker does it itself."""
    if not broker.is_configured():
        settle(entry_id=entry_id)
        return
    try:
        current_app.send_task(TASK, args=(entry_id,), queue=QUEUE, retry=False)
    except OperationalError:
        log.warning("broker away, the sweep will do it", task=TASK)


def settle(*, entry_id: int) -> None:
    """Do what is due for the entry, again where it changed meanwhile; one worker at a time."""
    with alone(entry_id) as is_alone:
        for _ in range(ROUNDS if is_alone else 0):
            entry = LoraEntry.objects.filter(pk=entry_id).first()
            if entry is None or not _settle(entry):
                return


@contextmanager
def alone(entry_id: int) -> Iterator[bool]:
    """Whether nobody else is at this entry; a worker that was killed is soon nobody.

    Who writes an entry's document holds this: of two at once the slower would leave the older.
    """
    key, seconds = f"entry-settling:{entry_id}", settings.WORK_TAKE_OVER_SECONDS
    if not cache.add(key, 1, timeout=seconds):
        yield False
        return
    with beating(lambda: cache.touch(key, seconds)):
        try:
            yield True
        finally:
            cache.delete(key)


def validator_is_set() -> bool:
    """Whether an outside validator is asked about each entry."""
    return bool(settings.CIVITAI_VALIDATE_URL and settings.CIVITAI_API_KEY)


def judgement_of(facts: files.FileFacts) -> str:
    """The validation of an entry whose file was just looked at."""
    is_done = facts.sha256 and not validator_is_set()
    return Validation.VALID if is_done else Validation.PENDING


def _settle(entry: LoraEntry) -> bool:
    """One round; whether another one may find more to do."""
    is_there = entry.deleted_at is None
    if is_there and not entry.sha256 and entry.validation == Validation.PENDING:
        return _hash(entry)
    is_mirror_due = entry.mirrored_revision < entry.revision and (
        is_there or entry.mirrored_revision > 0
    )
    if settings.METADATA_SYNC and is_mirror_due and not metadata.mirror(entry):
        return False
    if is_there and entry.validation == Validation.PENDING:
        if validator_is_set():
            _ask_validator(entry)
        else:  # there was a validator when the entry was made, and is none any more
            _write(entry, {"validation": Validation.VALID})
    return LoraEntry.objects.filter(pk=entry.pk, revision__gt=entry.revision).exists()


def _hash(entry: LoraEntry) -> bool:
    try:
        facts = files.look(entry.file_path)
    except FilePathRefused as error:
        _write(entry, {"validation": Validation.INVALID, "validation_detail": error.message[:300]})
        return True
    except StoreAway:
        return False  # the sweep asks again
    _write(
        entry,
        {
            "sha256": facts.sha256,
            "size_bytes": facts.size_bytes,
            "validation": judgement_of(facts),
            "revision": entry.revision + 1,
        },
    )
    return True


def _ask_validator(entry: LoraEntry) -> None:
    """POST the metadata: 2xx agrees, 4xx refuses, anything else says nothing yet."""
    try:
        answer = egress.post_json(
            settings.CIVITAI_VALIDATE_URL,
            metadata.document_of(entry),
            {"Authorization": f"Bearer {settings.CIVITAI_API_KEY}"},
            settings.CIVITAI_TIMEOUT_SECONDS,
            VALIDATOR_MAX_BYTES,
        )
    except (egress.EgressFailed, egress.EgressRefused, StoreAway) as error:
        detail = f"The validator could not be asked: {error.message}"[:300]
        LoraEntry.objects.filter(pk=entry.pk).update(validation_detail=detail)
        return
    said = f"The validator answered {answer.status}."
    if 200 <= answer.status < 300:
        _write(entry, {"validation": Validation.VALID, "validation_detail": said})
    elif 400 <= answer.status < 500 and answer.status not in {408, 425, 429}:
        _write(entry, {"validation": Validation.INVALID, "validation_detail": said})
    else:
        LoraEntry.objects.filter(pk=entry.pk).update(validation_detail=said)


def _write(entry: LoraEntry, values: dict[str, Any]) -> None:
    """Write what was found out, unless the entry has changed since it was looked at."""
    with transaction.atomic():
        row = LoraEntry.objects.filter(pk=entry.pk, revision=entry.revision, deleted_at=None)
        if not row.update(**values):
            return
        audit.record(
            action="entry.validated",
            actor=SYSTEM,
            object_type=OBJECT_TYPE,
            object_id=str(entry.uuid),
            object_rev=str(values.get("revision", entry.revision)),
            diff={
                field: [getattr(entry, field), value]
                for field, value in values.items()
                if field != "revision" and getattr(entry, field) != value
            },
        )
