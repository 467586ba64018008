"""Erases bytes that nothing needs: marked first, after the grace period erased one by one."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, ForeignObjectRel, Model, OuterRef, QuerySet

from config.core import clock, storage
from config.core.actors import SYSTEM, Actor
from config.core.events import publish
from config.core.failpoints import failpoint
from config.core.object_store import store_failures
from registry.models import Blob, ErasedBlob, GarbageRun, Hold
from registry.services import artifacts, backup_retention, holds
from registry.storage_events import GarbageCollected, GarbageStarted

# An audit event names so many digests; ``ErasedBlob`` has them all.
NAMED = 200
log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What a collection did, or in a dry run would do; ``sha256s``: of what is erased.

    ``refused``: blobs that were due and that the store did not let go; the next one tries again.
    """

    is_dry: bool
    newly_unneeded: int
    waiting: int
    held: int
    dropped_artifacts: int
    dropped_backups: int
    refused: int
    sha256s: tuple[str, ...]
    size_bytes: int


def referrers() -> list[tuple[type[Model], str]]:
    """(model, field) of every foreign key to a blob, in whatever room: read off the tables.

    Nobody registers anything, so nobody can forget to.
    """
    relations = Blob._meta.get_fields(include_hidden=True)
    return [
        (relation.field.model, relation.field.name)
        for relation in relations
        if isinstance(relation, ForeignObjectRel)
    ]


def unneeded() -> QuerySet[Blob]:
    """Blobs that no row names and no hold keeps."""
    rows = Blob.objects.exclude(
        Exists(Hold.objects.filter(sha256=OuterRef("sha256"), released_at=None))
    )
    for model, name in referrers():
        rows = rows.exclude(Exists(model._default_manager.filter(**{name: OuterRef("pk")})))
    return rows


def collect(*, actor: Actor = SYSTEM, is_dry: bool = False) -> Collected:
    """Mark what nothing needs; erase what nothing has needed for GARBAGE_GRACE_DAYS.

    Before that, artifacts and backups of avatars go whose retention is over.

    What is needed again is marked no more. Each blob is erased for itself, under its row's lock and
    after a second look, so that a killed collection leaves at most one row without bytes, which
    nothing needs and which the next one erases. An object that the store doesn't let go keeps its
    row, and no other from going. A dry run changes nothing.
    """
    now = clock.now()
    cutoff = now - timedelta(days=settings.GARBAGE_GRACE_DAYS)
    due = unneeded().filter(unreferenced_since__lt=cutoff, created_at__lt=cutoff)
    new = unneeded().filter(unreferenced_since=None)
    kept = Blob.objects.filter(unreferenced_since__isnull=False)
    held = kept.filter(sha256__in=holds.open_sha256s()).count()
    if is_dry:
        return _described(due, new=new.count(), held=held, cutoff=cutoff)
    _close_cut_off(actor)
    dropped = artifacts.drop_replaced(older_than=_artifact_retention())
    dropped_backups = backup_retention.drop_old(older_than=_backup_retention(), actor=actor)
    kept.exclude(pk__in=unneeded().values("pk")).update(unreferenced_since=None)
    marked = new.update(unreferenced_since=now)
    run = _begin(due, actor)
    gone = [_erased(pk, run, cutoff) for pk in list(due.values_list("pk", flat=True))]
    erased = _finish(run, actor)
    return Collected(
        is_dry=False,
        newly_unneeded=marked,
        waiting=unneeded().count(),
        held=held,
        dropped_artifacts=dropped,
        dropped_backups=dropped_backups,
        refused=gone.count(False),
        sha256s=tuple(row.sha256 for row in erased),
        size_bytes=sum(row.size_bytes for row in erased),
    )


def _described(due: QuerySet[Blob], *, new: int, held: int, cutoff: datetime) -> Collected:
    rows = list(due.values_list("sha256", "size_bytes"))
    return Collected(
        is_dry=True,
        newly_unneeded=new,
        waiting=unneeded().count() - len(rows),
        held=held,
        dropped_artifacts=artifacts.replaced(older_than=_artifact_retention()).count(),
        dropped_backups=backup_retention.due(older_than=_backup_retention()).count(),
        refused=0,
        sha256s=tuple(sha256 for sha256, _ in rows),
        size_bytes=sum(size_bytes for _, size_bytes in rows),
    )


def _backup_retention() -> timedelta:
    return timedelta(days=settings.AVATAR_BACKUP_RETENTION_DAYS)


def _artifact_retention() -> timedelta:
    return timedelta(days=settings.ARTIFACT_RETENTION_DAYS)


def _begin(due: QuerySet[Blob], actor: Actor) -> GarbageRun:
    """The run and its event are there before the first byte goes."""
    with transaction.atomic():
        run = GarbageRun.objects.create()
        digests = list(due.values_list("sha256", flat=True))
        if digests:
            publish(
                GarbageStarted(
                    actor=actor,
                    object_type="garbage_run",
                    object_id=str(run.uuid),
                    diff={"due": [None, len(digests)], "digests": [None, digests[:NAMED]]},
                )
            )
        return run


def _erased(pk: int, run: GarbageRun, cutoff: datetime) -> bool:
    """Erase one blob; False where the store refused, or did not answer."""
    try:
        _erase(pk, run, cutoff)
    except store_failures() as error:
        log.warning("garbage.refused", object=f"blob {pk}", error_type=type(error).__name__)
        return False
    return True


def _erase(pk: int, run: GarbageRun, cutoff: datetime) -> None:
    with transaction.atomic():
        # Who is about to use these bytes marks the row first (blobs.claim): he waits for this lock
        # and finds them gone, or was first and this finds the mark gone.
        blob = Blob.objects.select_for_update(skip_locked=True).filter(pk=pk).first()
        if blob is None or not _is_due(blob, cutoff):
            return
        ErasedBlob.objects.create(
            run=run, sha256=blob.sha256, size_bytes=blob.size_bytes, erased_at=clock.now()
        )
        key = blob.key
        blob.delete()  # refused by the database where a row that we don't see names it
        failpoint("garbage.row_deleted")
        storage.delete(key)
        failpoint("garbage.bytes_deleted")


def _is_due(blob: Blob, cutoff: datetime) -> bool:
    return unneeded().filter(pk=blob.pk, unreferenced_since__lt=cutoff).exists()


def _finish(run: GarbageRun, actor: Actor) -> list[ErasedBlob]:
    with transaction.atomic():
        erased = list(run.erased.order_by("pk"))
        GarbageRun.objects.filter(pk=run.pk).update(finished_at=clock.now())
        publish(
            GarbageCollected(
                actor=actor,
                object_type="garbage_run",
                object_id=str(run.uuid),
                diff={
                    "erased": [None, len(erased)],
                    "size_bytes": [None, sum(row.size_bytes for row in erased)],
                    "digests": [None, [row.sha256 for row in erased[:NAMED]]],
                },
            )
        )
        return erased


def _close_cut_off(actor: Actor) -> None:
    """Write down what a killed collection had erased."""
    # A younger one may be at work in another process.
    old = GarbageRun.objects.filter(
        finished_at=None, started_at__lt=clock.now() - timedelta(hours=1)
    )
    for run in old:
        _finish(run, actor)
