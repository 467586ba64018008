"""What every channel is: it carries one parcel out, or says why not. No Django."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from config.core.egress_calls import Egress
from deliveries.domain.delivery_targets import Target
from deliveries.domain.modes import Mode

# Of what the other side says, so much is kept for the job's owner.
KEPT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Where the S3 channel puts objects; an empty name means that it is not offered."""

    name: str
    prefix: str
    endpoint_url: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What an installation gives its channels.

    ``commands``: name → argv, of which ``{prompt_file}`` stands for the file's path.
    """

    egress: Egress
    commands: Mapping[str, Sequence[str]]
    prompt_folder: Path
    bucket: Bucket
    timeout_seconds: float
    max_answer_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One prompt to carry. ``key`` is the same for every try; ``sent_at`` in Unix seconds.

    ``url`` and ``secret`` are those of a webhook's endpoint, empty for other modes.
    """

    prompt: str = field(repr=False)
    key: str
    target: Target
    sent_at: int
    url: str = ""
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The other side took it; ``detail`` is for the job's owner and may quote the prompt."""

    detail: Mapping[str, Any] = field(repr=False)


class Channel(ABC):
    """Carries parcels of one mode."""

    mode: ClassVar[Mode]

    def __init__(self, means: Means) -> None:
        self.means = means

    @abstractmethod
    def deliver(self, parcel: Parcel) -> Receipt:
        """Carry ``parcel`` out once.

        Raises:
            EgressRefused, ChannelRefused: it may not be done; trying again can't help.
            EgressFailed, ChannelFailed: the other side did not take it this time.
        """


def shortened(data: bytes) -> str:
    """The beginning of what the other side said, as text."""
    return data[:KEPT_BYTES].decode("utf-8", errors="replace")
