"""Reads about avatars. Each asks for the owner: nobody's avatar is found by its name alone."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet, Sum

from config.accounts.models import User
from registry.domain.avatars import AVATAR_NAME, AvatarStatus, fault_of_file_name
from registry.errors import AvatarBackupNotFound, AvatarNotFound, TrainingFileNotFound
from registry.models import Avatar, AvatarBackup, TrainingFile, TrainingRun, Version
from registry.states import OPEN_TRAINING_STATES, TrainingState


@dataclass(frozen=True, kw_only=True)
class AvatarState:
    """An avatar's adapter as a whole: derived from versions, runs and the last restore."""

    status: AvatarStatus
    version: Version | None
    last_run: TrainingRun | None
    last_backup_at: datetime | None


def find_avatar(*, owner: User, name: str) -> Avatar | None:
    """The account's avatar of this name, None where there is none."""
    if not AVATAR_NAME.fullmatch(name):
        return None
    rows = Avatar.objects.filter(owner=owner, name=name, deleted_at__isnull=True)
    return rows.select_related("owner", "adapter__base_model", "restored_version").first()


def avatar_of(*, owner: User, name: str) -> Avatar:
    """The account's avatar of this name.

    Raises:
        AvatarNotFound: the account has none; others' avatars are never told of.
    """
    found = find_avatar(owner=owner, name=name)
    if found is None:
        raise no_avatar()
    return found


def no_avatar() -> AvatarNotFound:
    """One refusal for what is not there and for what is somebody else's."""
    return AvatarNotFound(
        "Your account has no such avatar.",
        fix="The address holds your own user name and the name of an avatar that you made: "
        "POST /adapters/{user_id}/{avatar_id}/create makes one.",
    )


def state_of(avatar: Avatar) -> AvatarState:
    """What the avatar's adapter is now."""
    if avatar.adapter_id is None:
        version, run = None, None
    else:
        version = current_version(avatar)
        runs = TrainingRun.objects.filter(adapter_id=avatar.adapter_id)
        run = runs.exclude(state=TrainingState.CANCELLED).order_by("-pk").first()
    backup = avatar.backups.order_by("-created_at").first()
    return AvatarState(
        status=status_of(
            has_weights=version is not None,
            run_state=run.state if run is not None else None,
            run_ended_at=run.finished_at if run is not None else None,
            restored_at=avatar.restored_at,
        ),
        version=version,
        last_run=run,
        last_backup_at=backup.created_at if backup else None,
    )


def status_of(
    *,
    has_weights: bool,
    run_state: str | None,
    run_ended_at: datetime | None,
    restored_at: datetime | None,
) -> AvatarStatus:
    """The state of an adapter by its newest training that nobody cancelled; None: there is none.

    A training that failed has the last word until something is restored.
    """
    if run_state in OPEN_TRAINING_STATES:
        return AvatarStatus.TRAINING
    is_newer = restored_at is None or (run_ended_at is not None and run_ended_at > restored_at)
    if run_state == TrainingState.FAILED and is_newer:
        return AvatarStatus.TRAINING_FAILED
    return AvatarStatus.TRAINED if has_weights else AvatarStatus.UNTRAINED


def current_version(avatar: Avatar) -> Version | None:
    """The version that the avatar is: the newest, or the one restored after it was submitted."""
    if avatar.adapter_id is None:
        return None
    newest = Version.objects.filter(adapter_id=avatar.adapter_id).order_by("-number").first()
    restored = avatar.restored_version
    if newest is None or restored is None or avatar.restored_at is None:
        return newest
    return restored if avatar.restored_at >= newest.submitted_at else newest


def files_of(avatar: Avatar, *, flagged: bool | None = None) -> QuerySet[TrainingFile]:
    """The avatar's training files by name: all, or only those flagged so."""
    rows = TrainingFile.objects.filter(avatar=avatar).order_by("name").defer("key_encrypted")
    return rows if flagged is None else rows.filter(use_for_training=flagged)


def file_of(avatar: Avatar, name: str) -> TrainingFile:
    """The avatar's training file of this name.

    Raises:
        TrainingFileNotFound: there is none; the name is not repeated, it may tell of a patient.
    """
    rows = TrainingFile.objects.select_related("blob").filter(avatar=avatar, name=name)
    found = None if fault_of_file_name(name) else rows.first()
    if found is None:
        raise no_file()
    return found


def no_file() -> TrainingFileNotFound:
    """One refusal for every name that the avatar has no file of."""
    return TrainingFileNotFound(
        "The avatar has no training file of this name.",
        fix="GET /training-data/{user_id}/{avatar_id}/list lists its files.",
    )


def flags_of(avatar: Avatar) -> dict[str, bool]:
    """The flags file: ``{file: bool}``, by name."""
    return dict(files_of(avatar).values_list("name", "use_for_training"))


def counts_of(avatar: Avatar) -> dict[str, int]:
    """How many training files there are: all, flagged, not flagged."""
    flags = list(files_of(avatar).values_list("use_for_training", flat=True))
    return {"total": len(flags), "training": sum(flags), "non_training": len(flags) - sum(flags)}


def flagged_bytes(avatar: Avatar) -> int:
    """Bytes of the texts that are flagged for training."""
    return files_of(avatar, flagged=True).aggregate(sum=Sum("size_bytes"))["sum"] or 0


def backups_of(avatar: Avatar) -> QuerySet[AvatarBackup]:
    """The avatar's backups, newest first."""
    return avatar.backups.select_related("blob", "version").order_by("-created_at", "-pk")


def backup_of(avatar: Avatar, uuid: UUID | None = None) -> AvatarBackup:
    """One of the avatar's backups; the newest where none is named.

    Raises:
        AvatarBackupNotFound: there is none.
    """
    rows = backups_of(avatar)
    found = (rows.filter(uuid=uuid) if uuid is not None else rows).first()
    if found is None:
        raise AvatarBackupNotFound(
            "The avatar has no such backup.",
            fix="GET /persistence/adapters/backups/{avatar_id} lists its backups.",
        )
    return found
