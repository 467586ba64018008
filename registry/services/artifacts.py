"""Takes artifacts: bytes to blobs, a key, the record's pointer moved, the mirror kept."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import chain
from typing import IO
from uuid import uuid4

import structlog
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery

from config.accounts.models import User
from config.core import clock
from config.core.actors import SYSTEM, Actor
from config.core.digests import CHUNK_BYTES
from config.core.errors import NoRoom
from config.core.events import publish
from config.core.object_store import store_failures
from registry.artifact_selectors import as_record
from registry.domain.artifacts import HEAD_BYTES, KINDS, fault_of_name, key_of, quarantine_of
from registry.errors import BlobNotFound
from registry.models import Artifact, Blob, ModelRecord, RecordMirroring
from registry.services import artifact_scores, blobs, holds, record_store, storage_aliases
from registry.services.record_store import RecordStore
from registry.storage_errors import (
    ArtifactBodyMissing,
    ArtifactNameInvalid,
    ArtifactNotStored,
    ArtifactUnreadable,
    RecordNotMirrored,
)
from registry.storage_events import ArtifactDropped, ArtifactStored

# A younger note of a mirroring may be of a request that is still at work.
UNDER_WAY = timedelta(minutes=1)
log = structlog.get_logger(__name__)


def upload(
    *,
    kind: str,
    name: str,
    file_name: str,
    content_type: str,
    pieces: Iterable[bytes],
    user: User,
    actor: Actor,
) -> Artifact:
    """Store a file of the model ``name`` and let its record point at it; the one before stays.

    Raises:
        ArtifactNameInvalid: a record can't have this name.
        ArtifactBodyMissing: there is not a byte.
        ArtifactNotStored: the store failed; nothing is kept.
        RecordNotMirrored: the outside table did not take the record; nothing is kept.
    """
    if fault := fault_of_name(name):
        raise ArtifactNameInvalid(
            f"A model can't be called like this: {fault}.", fix="Send another model_name."
        )
    blob, head = _store(pieces)
    mirror = record_store.mirror()
    if mirror is not None:
        # Committed before the table is asked: a note that stays tells of a change that was cut off.
        RecordMirroring.objects.update_or_create(name=name, defaults={"since": clock.now()})
    stored = _look(name, blob)
    with transaction.atomic():
        ModelRecord.objects.get_or_create(name=name)
        record = ModelRecord.objects.select_for_update(no_key=True).get(name=name)
        artifact = Artifact.objects.create(
            record=record,
            kind=kind,
            key=key_of(kind=kind, name=name, identifier=str(uuid4()), file_name=file_name),
            blob=blob,
            file_name=file_name,
            content_type=content_type,
            quarantine=quarantine_of(file_name=file_name, head=head),
            uploaded_by=user,
        )
        storage_aliases.assign(artifact.key, blob, content_type=content_type)
        before = getattr(record, kind)
        _point(record, artifact, stored)
        publish(
            ArtifactStored(
                actor=actor,
                object_type="artifact",
                object_id=str(artifact.uuid),
                object_rev=blob.sha256,
                diff={
                    "key": [before.key if before else None, artifact.key],
                    "size_bytes": [None, blob.size_bytes],
                    "quarantine": [None, artifact.quarantine],
                },
            )
        )
        if mirror is not None:
            # Last, so that what fails here undoes everything; only this one record waits for it.
            mirror.put(as_record(record))
            RecordMirroring.objects.filter(name=name).delete()
    return artifact


def open_bytes(artifact: Artifact) -> tuple[bytes, IO[bytes]]:
    """The first piece of the artifact's bytes, and the stream of the rest.

    Raises:
        ArtifactUnreadable: the store does not give them.
    """
    try:
        stream = blobs.stream(artifact.blob)
        return stream.read(CHUNK_BYTES), stream
    except store_failures(BlobNotFound) as error:
        raise _unreadable(artifact, error) from error


def require_bytes(artifact: Artifact) -> None:
    """Ask the store whether it has the artifact's bytes; nothing is read.

    Raises:
        ArtifactUnreadable: it has not, or does not answer.
    """
    try:
        blobs.require_stored(artifact.blob)
    except store_failures(BlobNotFound) as error:
        raise _unreadable(artifact, error) from error


def sweep_mirror() -> int:
    """Copy records whose mirroring was cut off as we hold them now; how many were."""
    mirror = record_store.mirror()
    if mirror is None:
        return 0
    waiting = RecordMirroring.objects.filter(since__lt=clock.now() - UNDER_WAY)
    return sum(_mirror_again(mirror, note) for note in waiting[:1000])


def replaced(*, older_than: timedelta) -> QuerySet[Artifact]:
    """Artifacts that were replaced so long ago, and that no hold keeps."""
    later = Artifact.objects.filter(
        record=OuterRef("record"), kind=OuterRef("kind"), pk__gt=OuterRef("pk")
    )
    by_end = Artifact.objects.annotate(
        replaced_at=Subquery(later.order_by("pk").values("uploaded_at")[:1])
    )
    old = by_end.filter(replaced_at__lt=clock.now() - older_than)
    return old.exclude(blob__sha256__in=holds.open_sha256s())


def drop_replaced(*, older_than: timedelta) -> int:
    """Forget artifacts that were replaced so long ago; how many. Holds keep them."""
    count = 0
    for artifact in replaced(older_than=older_than).select_related("blob"):
        with transaction.atomic():
            ModelRecord.objects.select_for_update(no_key=True).get(pk=artifact.record_id)
            storage_aliases.give_up(artifact.key)
            publish(
                ArtifactDropped(
                    actor=SYSTEM,
                    object_type="artifact",
                    object_id=str(artifact.uuid),
                    object_rev=artifact.blob.sha256,
                    diff={"key": [artifact.key, None]},
                )
            )
            artifact.delete()
            count += 1
    return count


def _unreadable(artifact: Artifact, error: Exception) -> ArtifactUnreadable:
    log.warning("artifact.unreadable", object=str(artifact.uuid), error_type=type(error).__name__)
    return ArtifactUnreadable(
        f"The store does not give the bytes of {artifact.key}.",
        fix="Try again; if it lasts, the store is to be looked at or restored.",
    )


def _store(pieces: Iterable[bytes]) -> tuple[Blob, bytes]:
    flowing = iter(pieces)
    first = next((piece for piece in flowing if piece), b"")
    if not first:
        raise ArtifactBodyMissing(
            "The body holds no file.", fix="Send the bytes, or a form with the field file."
        )
    head = bytearray()
    try:
        blob = blobs.store_pieces(_seen(chain([first], flowing), head))
    except store_failures(NoRoom) as error:
        log.warning("artifact.not_stored", error_type=type(error).__name__)
        raise ArtifactNotStored(
            "The store did not take the file; nothing of it is kept.",
            fix="Send it again; if it lasts, the store is full or does not answer.",
        ) from error
    return blob, bytes(head)


def _seen(pieces: Iterable[bytes], head: bytearray) -> Iterator[bytes]:
    """``pieces`` as they are, the first bytes noted in ``head``."""
    for piece in pieces:
        head += piece[: HEAD_BYTES - len(head)]
        yield piece


def _look(name: str, blob: Blob) -> dict[int, bool]:
    """Blob → whether the store has it, of those that the record will point at; before any lock."""
    record = ModelRecord.objects.filter(name=name).select_related(
        "model__blob", "code__blob", "dataset__blob"
    )
    rows = [getattr(row, kind) for row in record for kind in KINDS]
    return artifact_scores.look([blob, *(row.blob for row in rows if row)])


def _point(record: ModelRecord, artifact: Artifact, stored: dict[int, bool]) -> None:
    setattr(record, artifact.kind, artifact)
    current = {kind: getattr(record, kind) for kind in KINDS}
    scored = artifact_scores.compute(
        name=record.name,
        files={kind: row.blob for kind, row in current.items() if row},
        stored=stored,
    )
    record.licence = scored.licence
    record.scores, record.scores_latency_ms = scored.scores, scored.latency_ms
    record.changed_at = clock.now()
    record.save()


def _mirror_again(mirror: RecordStore, note: RecordMirroring) -> bool:
    try:
        with transaction.atomic():
            record = ModelRecord.objects.select_for_update(
                of=("self",), no_key=True
            ).select_related("model__blob", "code__blob", "dataset__blob")
            found = record.filter(name=note.name).first()
            if found is None:
                mirror.remove(note.name)
            else:
                mirror.put(as_record(found))
            RecordMirroring.objects.filter(pk=note.pk, since=note.since).delete()
    except RecordNotMirrored:
        return False
    return True
