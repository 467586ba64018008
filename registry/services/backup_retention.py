"""Drops old backups of avatars: never the newest, never that of the last training, none on hold."""

from datetime import timedelta

from django.db import transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from config.core import clock
from config.core.actors import SYSTEM, Actor
from config.core.events import publish
from registry.events import AvatarBackupDropped
from registry.hold_selectors import open_holds
from registry.models import AvatarBackup, Blob, TrainingRun, VersionFile


def due(*, older_than: timedelta) -> QuerySet[AvatarBackup]:
    """Backups whose time is over, the oldest first.

    An avatar can always be restored: its newest backup stays, and so does the newest of what its
    last training made, or the sweep of backups would make it again. A hold keeps a backup by its
    own bytes, and by those of any file of its version.
    """
    newest = AvatarBackup.objects.filter(avatar=OuterRef("avatar")).order_by("-created_at", "-pk")
    trained = TrainingRun.objects.filter(
        adapter=OuterRef("avatar__adapter"), version__isnull=False
    ).order_by("-pk")
    of_training = newest.filter(version=OuterRef("trained"))
    held = open_holds().values("sha256")
    held_versions = VersionFile.objects.filter(blob__sha256__in=held).values("version")
    return (
        AvatarBackup.objects.filter(created_at__lt=clock.now() - older_than)
        .annotate(newest=Subquery(newest.values("pk")[:1]))
        .annotate(trained=Subquery(trained.values("version")[:1]))
        .annotate(of_training=Subquery(of_training.values("pk")[:1]))
        .exclude(pk=F("newest"))
        .filter(Q(of_training=None) | ~Q(pk=F("of_training")))
        .exclude(blob__sha256__in=held)
        .filter(Q(version=None) | ~Q(version__in=held_versions))
        .order_by("created_at", "pk")
    )


def drop_old(*, older_than: timedelta, actor: Actor = SYSTEM) -> int:
    """Forget the backups that are due; how many. Their bytes go as garbage, after its grace."""
    count = 0
    for pk in list(due(older_than=older_than).values_list("pk", flat=True)):
        with transaction.atomic():
            count += _drop(pk, older_than, actor)
    return count


def _drop(pk: int, older_than: timedelta, actor: Actor) -> bool:
    backup = AvatarBackup.objects.select_for_update(of=("self",)).select_related("avatar", "blob")
    row = backup.filter(pk=pk).first()
    if row is None:
        return False  # its avatar was deleted at this moment
    # Whoever places a hold locks the blobs first: he is waited for, and seen.
    files = VersionFile.objects.filter(version=row.version_id).values("blob")
    keeping = Blob.objects.filter(Q(pk=row.blob_id) | Q(pk__in=files))
    list(keeping.select_for_update(no_key=True).order_by("pk"))
    if not due(older_than=older_than).filter(pk=pk).exists():
        return False
    publish(
        AvatarBackupDropped(
            actor=actor,
            object_type="avatar",
            object_id=str(row.avatar.uuid),
            object_rev=row.blob.sha256,
            diff={"backup": [str(row.uuid), None]},
        )
    )
    row.delete()
    return True
