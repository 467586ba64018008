"""Keeps ZIPs of an avatar's adapter, and makes it again what a ZIP holds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, Subquery

from config.accounts.models import User
from config.core import clock
from config.core.actors import SYSTEM, Actor
from config.core.errors import DomainError
from config.core.events import publish
from config.core.object_store import store_failures
from registry import avatar_selectors as selectors
from registry.domain.avatars import AvatarKeys, AvatarStatus, configuration_of
from registry.domain.packages import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    PackageFault,
    PackageInvalid,
    printable,
)
from registry.domain.peft import parse_config
from registry.errors import AvatarBusy
from registry.events import AvatarBackedUp, AvatarDownloaded, AvatarRestored
from registry.models import Avatar, AvatarBackup, TrainingRun, Version
from registry.services import avatar_archives, blobs, storage_aliases, versions
from registry.services.package_facts import MAX_CONFIG_BYTES
from registry.sources.backups import BackupSource

log = structlog.get_logger(__name__)
OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".pkl", ".ckpt", ".safetensors")


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What a restore made of the avatar: a version, or None where the ZIP holds no weights."""

    version: Version | None
    is_new_version: bool


def back_up(*, avatar: Avatar, reason: AvatarBackup.Reason, actor: Actor) -> AvatarBackup:
    """Store the ZIP of the adapter as it is now.

    Raises:
        AvatarNotFound: the avatar has no adapter, or was deleted at this moment.
        BlobNotFound: the store lost a file of the adapter.
        NoRoom: the store is full.
    """
    at = clock.now()
    archive = avatar_archives.build(avatar=avatar, owner=avatar.owner, reason=reason, at=at)
    blob = blobs.store_pieces(archive.pieces)
    with transaction.atomic():
        _lock(avatar)
        # Two sweeps, or two that create, at one moment: one backup of one event.
        same = AvatarBackup.objects.filter(avatar=avatar)
        if reason is AvatarBackup.Reason.TRAINED:
            same = same.filter(version=archive.version)
        if reason is not AvatarBackup.Reason.ASKED and (found := same.first()):
            return found
        made = AvatarBackup.objects.create(
            avatar=avatar,
            version=archive.version,
            blob=blob,
            reason=reason,
            file_count=archive.file_count,
            files_bytes=archive.files_bytes,
            created_at=at,
        )
        key = AvatarKeys(avatar.owner.username, avatar.name).backup
        storage_aliases.assign(key, blob, content_type="application/zip")
        publish(
            AvatarBackedUp(
                actor=actor,
                object_type="avatar",
                object_id=str(avatar.uuid),
                object_rev=archive.version.digest if archive.version else "",
                diff={"backup": [None, str(made.uuid)], "sha256": [None, blob.sha256]},
                reason=str(reason),
            )
        )
    return made


def back_up_trained() -> int:
    """Back up every avatar whose training ended with a version that no backup holds yet.

    A sweep, so that neither a killed trainer nor a store that is away costs a backup.
    """
    runs = TrainingRun.objects.filter(adapter=OuterRef("adapter"), version__isnull=False)
    kept = AvatarBackup.objects.filter(avatar=OuterRef("pk"), version=OuterRef("trained"))
    waiting = (
        Avatar.objects.filter(deleted_at__isnull=True)
        .annotate(trained=Subquery(runs.order_by("-pk").values("version")[:1]))
        .filter(~Exists(kept), trained__isnull=False)
        .select_related("owner", "adapter__base_model", "restored_version")
    )
    made = 0
    for avatar in waiting[:100]:
        version = selectors.current_version(avatar)
        if version is None or version.pk != avatar.trained:
            continue  # something else was put in its place since
        try:
            back_up(avatar=avatar, reason=AvatarBackup.Reason.TRAINED, actor=SYSTEM)
            made += 1
        except store_failures(DomainError) as error:
            log.warning("avatar.not_backed_up", object=str(avatar.uuid), error=type(error).__name__)
    return made


def download(*, avatar: Avatar, actor: Actor) -> avatar_archives.Archive:
    """The ZIP of the adapter as it is now, written while it is read.

    Raises:
        AvatarNotFound: the avatar has no adapter.
        BlobNotFound: the store lost a file of the adapter.
    """
    archive = avatar_archives.build(
        avatar=avatar, owner=avatar.owner, reason="download", at=clock.now()
    )
    with transaction.atomic():
        publish(
            AvatarDownloaded(
                actor=actor,
                object_type="avatar",
                object_id=str(avatar.uuid),
                object_rev=archive.version.digest if archive.version else "",
            )
        )
    return archive


def restore(
    *,
    avatar: Avatar,
    user: User,
    actor: Actor,
    backup: AvatarBackup | None = None,
    archive: BinaryIO | None = None,
) -> Restored:
    """Make the adapter again what ``archive`` holds, or else what ``backup`` does.

    The ZIP passes the guards of every package; its files become a version that is checked like
    any other, or are found to be one that is there. A ZIP without weights restores how the adapter
    is to be trained. Nothing is deleted: other versions stay.

    Raises:
        AvatarNotFound: the avatar has no adapter.
        AvatarBackupNotFound: no archive was sent, and there is no backup.
        AvatarBusy: it is being trained.
        PackageInvalid: a fault of the container.
        AdapterConfigInvalid, TrainingParametersInvalid: its configuration is none that we have.
    """
    if avatar.adapter is None:
        raise selectors.no_avatar()
    if selectors.state_of(avatar).status is AvatarStatus.TRAINING:
        raise AvatarBusy("The avatar is being trained.", fix="Cancel the training, or wait.")
    if archive is not None:
        return _restore(avatar, archive, user, actor, "a ZIP that was sent")
    backup = backup or selectors.backup_of(avatar)
    with blobs.open(backup.blob) as stream:
        return _restore(avatar, cast(BinaryIO, stream), user, actor, f"backup {backup.uuid}")


def _restore(avatar: Avatar, stream: BinaryIO, user: User, actor: Actor, origin: str) -> Restored:
    config, has_weights = _look_into(stream)
    if not has_weights:
        _settle(avatar, actor, origin, configuration=configuration_of(config))
        return Restored(version=None, is_new_version=False)
    parse_config(config)
    stream.seek(0)
    version, is_new = versions.submit(
        adapter=avatar.adapter,  # type: ignore[arg-type]
        package=BackupSource(stream),
        user=user,
        actor=actor,
        notes=f"Restored from {origin}",
    )
    _settle(avatar, actor, origin, restored_version=version)
    return Restored(version=version, is_new_version=is_new)


def _look_into(stream: BinaryIO) -> tuple[Mapping[str, Any], bool]:
    """The configuration in the ZIP, and whether there are weights with it."""
    source = BackupSource(stream)
    with source.open(limits=versions.package_limits(), required=(CONFIG_FILE,)) as package:
        members = {member.path: member for member in package.members}
        if members[CONFIG_FILE].size_bytes > MAX_CONFIG_BYTES:
            raise _no_config("is too large")
        data = b"".join(package.pieces(members[CONFIG_FILE]))
    try:
        config = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _no_config("is no JSON") from error
    if not isinstance(config, dict):
        raise _no_config("holds no JSON object")
    has_weights = WEIGHTS_FILE in members
    others = [path for path in members if path.lower().endswith(OTHER_WEIGHTS)]
    if others and not has_weights:
        raise PackageInvalid(
            [
                PackageFault(
                    "weights",
                    printable(path),
                    f"{printable(path)} can't be loaded safely.",
                    f"Save the adapter as {WEIGHTS_FILE}.",
                )
                for path in others
            ]
        )
    return config, has_weights


def _no_config(why: str) -> PackageInvalid:
    return PackageInvalid(
        [
            PackageFault(
                "config",
                CONFIG_FILE,
                f"{CONFIG_FILE} {why}.",
                "Send a ZIP that was downloaded here, or the folder that PEFT wrote.",
            )
        ]
    )


def _settle(avatar: Avatar, actor: Actor, origin: str, **values: Any) -> None:
    version = values.get("restored_version")
    with transaction.atomic():
        _lock(avatar)
        values = {"restored_version": None, "restored_at": clock.now()} | values
        Avatar.objects.filter(pk=avatar.pk).update(**values)
        for name, value in values.items():
            setattr(avatar, name, value)
        publish(
            AvatarRestored(
                actor=actor,
                object_type="avatar",
                object_id=str(avatar.uuid),
                object_rev=version.digest if version else "",
                reason=f"from {origin}",
            )
        )


def _lock(avatar: Avatar) -> None:
    rows = Avatar.objects.select_for_update(no_key=True).filter(
        pk=avatar.pk, deleted_at__isnull=True
    )
    if rows.first() is None:
        raise selectors.no_avatar()
