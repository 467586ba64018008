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
