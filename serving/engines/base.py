"""What an engine is: it loads adapters into slots and answers prompts with one of them."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Literal

Finish = Literal["stop", "length"]
Message = Mapping[str, str]


class AdapterState(StrEnum):
    """``loaded → unloading → gone``: unloading from the drop of the name to the zeroed slot."""

    LOADED = "loaded"
    UNLOADING = "unloading"


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRequest:
    """One prompt for one adapter (``name`` None: the base itself).

    Exactly one of ``prompt_token_ids``, ``messages`` (through the base's chat template) and
    ``prompt`` is given. ``max_tokens`` None: as many as fit. ``temperature`` None or 0: greedy.
    ``want_margins``: each token event carries the top logit's distance from the second.
    """

    name: str | None
    prompt_token_ids: tuple[int, ...] | None = None
    messages: tuple[Message, ...] | None = None
    prompt: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    want_margins: bool = False


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """One generated token. ``text`` is what may be shown now; it can be empty or span tokens.

    ``digest`` is that of the adapter (or the base) that computed this token. The last event has
    ``finish`` and the counts; the end-of-text token counts among ``completion_tokens``.
    """

    token_id: int
    text: str
    digest: str
    finish: Finish | None = None
    margin: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What this engine is and can take. ``engine_build`` changes with its code and its torch."""

    engine: str
    engine_build: str
    device: str
    dtype: str
    slots: int
    max_rank: int
    max_model_len: int
    base_digest: str


@dataclass(frozen=True, slots=True)
class LoadedAdapter:
    """One taken slot. ``refs`` counts the answers in flight that use it."""

    name: str
    digest: str
    state: AdapterState
    refs: int


class Engine(ABC):
    """One base model with room for ``slots`` adapters.

    ``load`` and ``unload`` block and may be called from any thread, also while answers run.
    ``generate`` is called on an event loop; closing its iterator early frees what it held.
    """

    name: ClassVar[str]

    @abstractmethod
    def load(self, name: str, path: Path, digest: str) -> LoadedAdapter:
        """Read the package folder ``path`` into a free slot and publish it under ``name``.

        The caller has verified ``digest``. The same name and digest again changes nothing.

        Raises:
            AdapterUnloadable: this engine can't compute it; the message names what it lacks.
            NameTaken: the name is published with another digest.
            SlotsFull: no slot is free.
        """

    @abstractmethod
    def unload(self, name: str) -> AdapterState | None:
        """Drop ``name`` at once; its slot is zeroed and freed when its last answer has ended.

        Returns UNLOADING while answers still use the slot, None when it is zeroed and free.

        Raises:
            AdapterUnknown: the name is not published.
        """

    @abstractmethod
    def loaded(self) -> Sequence[LoadedAdapter]:
        """Every taken slot, also those that wait for their last answer."""

    @abstractmethod
    def generate(self, request: GenerateRequest) -> AsyncIterator[TokenEvent]:
        """Stream the answer; the adapter is pinned when the first event is asked for.

        Raises (when the first event is asked for):
            AdapterUnknown: no adapter of that name is published.
            PromptTooLong: prompt and answer do not fit.
            RequestInvalid: a value is out of range.
            AnswerFailed: the answer broke off; may also come later.
        """

    @abstractmethod
    def health(self) -> bool:
        """Whether the model is loaded and its thread lives."""

    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What this engine is and can take."""

    @abstractmethod
    def close(self) -> None:
        """Stop the engine's threads; answers in flight fail."""


def build_id(*files: Path, versions: Mapping[str, str]) -> str:
    """A text that changes with the engine's source ``files`` and with its libraries' versions."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.read_bytes())
    parts = [digest.hexdigest()[:12], *(f"{name}-{value}" for name, value in versions.items())]
    return "+".join(parts)
