"""What happens in the registry."""

from dataclasses import dataclass

from config.core.events import Event


@dataclass(frozen=True, kw_only=True)
class BaseModelRegistered(Event):
    """A base model folder was registered under its digest."""

    action = "base_model.registered"


@dataclass(frozen=True, kw_only=True)
class AdapterCreated(Event):
    """A named line of versions was opened."""

    action = "adapter.created"


@dataclass(frozen=True, kw_only=True)
class AdapterChanged(Event):
    """Words that describe an adapter were changed."""

    action = "adapter.changed"


@dataclass(frozen=True, kw_only=True)
class VersionSubmitted(Event):
    """A version's bytes are stored and its manifest is fixed."""

    action = "version.submitted"
    version_id: int


@dataclass(frozen=True, kw_only=True)
class VersionRefused(Event):
    """An upload was malformed and nothing of it was kept."""

    action = "version.refused"
    is_act = False


@dataclass(frozen=True, kw_only=True)
class LabelChanged(Event):
    """A version's intended use was stated or changed."""

    action = "label.changed"
    version_id: int


@dataclass(frozen=True, kw_only=True)
class AliasMoved(Event):
    """An alias names another version now."""

    action = "alias.moved"
    adapter_id: int


@dataclass(frozen=True, kw_only=True)
class TrainingRunQueued(Event):
    """Somebody asked that an adapter be trained; its data and parameters are fixed."""

    action = "training.queued"
    run_id: int


@dataclass(frozen=True, kw_only=True)
class TrainingRunBegun(Event):
    """A worker took a run up, for the first time or from one that fell silent."""

    action = "training.begun"
    run_id: int


@dataclass(frozen=True, kw_only=True)
class TrainingRunCancelling(Event):
    """Somebody asked that a run end; its worker stops at the next step."""

    action = "training.cancelling"
    run_id: int


@dataclass(frozen=True, kw_only=True)
class TrainingRunFinished(Event):
    """A run is over: ``state`` is completed, failed or cancelled.

    ``version_id`` is the version that a completed one made.
    """

    action = "training.finished"
    run_id: int
    state: str
    version_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class AvatarOpened(Event):
    """An account began an avatar: a place for training files and one adapter."""

    action = "avatar.opened"


@dataclass(frozen=True, kw_only=True)
class AvatarAdapterMade(Event):
    """An avatar got its adapter, untrained yet."""

    action = "avatar.adapter_made"
    avatar_id: int


@dataclass(frozen=True, kw_only=True)
class AvatarDeleted(Event):
    """An avatar ended: its files and backups are gone, its adapter's versions stay as a record."""

    action = "avatar.deleted"
    adapter_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class AvatarDownloaded(Event):
    """The ZIP of an avatar's adapter was given out."""

    action = "avatar.downloaded"


@dataclass(frozen=True, kw_only=True)
class AvatarBackedUp(Event):
    """A ZIP of an avatar's adapter was stored."""

    action = "avatar.backed_up"


@dataclass(frozen=True, kw_only=True)
class AvatarBackupDropped(Event):
    """A backup of an avatar went when its retention was over; a newer one is there."""

    action = "avatar.backup_dropped"


@dataclass(frozen=True, kw_only=True)
class AvatarRestored(Event):
    """An avatar's adapter is again what a backup holds."""

    action = "avatar.restored"


@dataclass(frozen=True, kw_only=True)
class TrainingFileStored(Event):
    """A text to train with was stored, sealed; nobody has scanned it yet."""

    action = "training_file.stored"
    file_id: int


@dataclass(frozen=True, kw_only=True)
class TrainingFileFlagged(Event):
    """Its owner said whether a file is to be trained with."""

    action = "training_file.flagged"


@dataclass(frozen=True, kw_only=True)
class TrainingFileRead(Event):
    """The text of a training file was given out, or an address for it."""

    action = "training_file.read"


@dataclass(frozen=True, kw_only=True)
class TrainingFileDeleted(Event):
    """A training file and the key that opened it are gone."""

    action = "training_file.deleted"


@dataclass(frozen=True, kw_only=True)
class TrainingFileScanned(Event):
    """A scan said whether a file may be trained with."""

    action = "training_file.scanned"
    file_id: int
