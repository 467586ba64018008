"""What happens to artifacts, holds, garbage and signed addresses."""

from dataclasses import dataclass

from config.core.events import Event


@dataclass(frozen=True, kw_only=True)
class ArtifactStored(Event):
    """A file was uploaded for a model; its record points at it now, the one before stays."""

    action = "artifact.stored"


@dataclass(frozen=True, kw_only=True)
class ArtifactDropped(Event):
    """An artifact that another one had replaced went when its retention was over."""

    action = "artifact.dropped"


@dataclass(frozen=True, kw_only=True)
class UrlSigned(Event):
    """Somebody was given a signed address, by which bytes pass beside us."""

    action = "blob.url_signed"


@dataclass(frozen=True, kw_only=True)
class HoldPlaced(Event):
    """Bytes must not be erased from now on."""

    action = "hold.placed"


@dataclass(frozen=True, kw_only=True)
class HoldReleased(Event):
    """A hold on bytes has ended."""

    action = "hold.released"


@dataclass(frozen=True, kw_only=True)
class GarbageStarted(Event):
    """A collection begins to erase; ``diff`` names what it may erase, before it does."""

    action = "garbage.started"


@dataclass(frozen=True, kw_only=True)
class GarbageCollected(Event):
    """A collection is over, or one that was cut off has been closed."""

    action = "garbage.collected"
