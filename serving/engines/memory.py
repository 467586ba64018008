"""The deterministic twin for tests: answers come from a hash of adapter bytes and prompt."""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from config.core.digests import sha256_hex
from registry.domain.base_folder import REQUIRED_FILES, base_facts
from serving.engines import scripts
from serving.engines.base import (
    AdapterState,
    Capabilities,
    Engine,
    Finish,
    GenerateRequest,
    LoadedAdapter,
    TokenEvent,
    build_id,
)
from serving.engines.errors import (
    AdapterUnloadable,
    AnswerFailed,
    EngineRefused,
    PromptTooLong,
    RequestInvalid,
)
from serving.engines.scripts import ANSWERS_FILE, Script, last_text
from serving.engines.slots import SlotTable

WORDS = ("low", "mid", "high", "ward", "clinic", "lab", "now", "later")
VOCABULARY = 50_000


class MemoryEngine(Engine):
    """Knows no model: the same bytes and the same prompt always give the same words."""

    name = "memory"

    def __init__(
        self,
        *,
        base: Path,
        slots: int = 8,
        max_rank: int = 64,
        max_model_len: int = 1024,
        token_latency_ms: float | None = None,
        base_digest: str | None = None,
        **_other_engines_settings: object,
    ) -> None:
        """``base`` may be a base folder or just a name; ``base_digest`` overrides its digest.

        ``FORMULARY_MEMORY_LATENCY_MS`` and ``FORMULARY_MEMORY_BASE_DIGEST`` set the two from
        outside.
        """
        if os.environ.get("FORMULARY_ENV") == "production":
            raise EngineRefused(
                "the memory engine invents its answers and is refused in production",
                fix="Start the node with --engine torch.",
            )
        latency = os.environ.get("FORMULARY_MEMORY_LATENCY_MS", "0")
        self._latency_ms = float(latency) if token_latency_ms is None else token_latency_ms
        self._base_digest = (
            base_digest or os.environ.get("FORMULARY_MEMORY_BASE_DIGEST") or _digest_of(base)
        )
        self._settings = (slots, max_rank, max_model_len)
        self._scripts: dict[str, Script] = {}
        self._table = SlotTable(slots, zero=lambda slot: None)
        self._is_open = True

    def load(self, name: str, path: Path, digest: str) -> LoadedAdapter:
        """See ``Engine.load``; ``answers.json`` in the folder may script the adapter."""
        with self._table.loading(name, digest) as entry:
            published = entry
            if published is None:
                try:
                    script = Script.read(path)
                except (OSError, ValueError, TypeError) as error:
                    raise AdapterUnloadable(f"{ANSWERS_FILE} of {name} is not readable") from error
                if script.fail == "load":
                    raise AdapterUnloadable(f"{name} is scripted to fail at load")
                slot = self._table.reserve()
                self._scripts[digest] = script
                published = self._table.publish(name, digest, slot)
        return LoadedAdapter(name, digest, AdapterState.LOADED, published.refs)

    def unload(self, name: str) -> AdapterState | None:
        """See ``Engine.unload``."""
        return self._table.unload(name)

    def loaded(self) -> Sequence[LoadedAdapter]:
        """See ``Engine.loaded``."""
        return self._table.entries()

    async def generate(self, request: GenerateRequest) -> AsyncIterator[TokenEvent]:
        """See ``Engine.generate``; a word with the blanks before it is one token."""
        text = last_text(request)
        prompt_tokens = len(_pieces(text))
        max_model_len = self._settings[2]
        if request.max_tokens is not None and request.max_tokens < 1:
            raise RequestInvalid("max_tokens is below 1")
        room = max_model_len - prompt_tokens
        if room < max(request.max_tokens or 1, 1):
            raise PromptTooLong(f"{prompt_tokens} prompt tokens; {max_model_len} fit in all")
        entry = self._table.acquire(request.name) if request.name is not None else None
        try:
            digest = entry.digest if entry else self._base_digest
            script = self._scripts[digest] if entry else Script()
            latency_ms = self._latency_ms
            if script.token_latency_ms is not None:
                latency_ms = script.token_latency_ms
            async for event in _stream(request, text, digest, script, room, latency_ms):
                yield event
        finally:
            if entry:
                self._table.release(entry)

    def health(self) -> bool:
        """See ``Engine.health``."""
        return self._is_open

    def capabilities(self) -> Capabilities:
        """See ``Engine.capabilities``."""
        slots, max_rank, max_model_len = self._settings
        return Capabilities(
            engine=self.name,
            engine_build=f"memory-{build_id(Path(__file__), Path(scripts.__file__), versions={})}",
            device="none",
            dtype="none",
            slots=slots,
            max_rank=max_rank,
            max_model_len=max_model_len,
            base_digest=self._base_digest,
        )

    def close(self) -> None:
        """See ``Engine.close``."""
        self._is_open = False
        self._table.close()


async def _stream(
    request: GenerateRequest,
    text: str,
    digest: str,
    script: Script,
    room: int,
    latency_ms: float,
) -> AsyncIterator[TokenEvent]:
    if script.fail == "start":
        raise AnswerFailed("the adapter is scripted to fail")
    answer = script.answer(text)
    if script.fail == "empty":
        answer = ""
    whole = _pieces(_invented(digest, text, request) if answer is None else answer)
    whole, stopped = _cut_at_stop(whole, request.stop)
    limit = min(request.max_tokens or room, room)
    finish: Finish = "stop" if len(whole) < limit or stopped else "length"
    prompt_tokens = len(_pieces(text))
    events = [(_token_id(piece), piece) for piece in whole[:limit]]
    if finish == "stop":
        events.append((0, ""))
    for index, (token_id, piece) in enumerate(events):
        await asyncio.sleep(latency_ms / 1000)
        if script.fail == "cut" and index == 1:
            raise AnswerFailed("the adapter is scripted to break off")
        is_last = index == len(events) - 1
        yield TokenEvent(
            token_id=token_id,
            text=piece,
            digest=digest,
            margin=1.0 + token_id % 7 if request.want_margins else None,
            finish=finish if is_last else None,
            prompt_tokens=prompt_tokens if is_last else None,
            completion_tokens=index + 1 if is_last else None,
        )


def _digest_of(base: Path) -> str:
    if all((base / name).is_file() for name in REQUIRED_FILES):
        return base_facts(base).digest
    return sha256_hex(f"memory:{base.name}".encode())


def _pieces(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)


def _token_id(piece: str) -> int:
    return 1 + int.from_bytes(hashlib.sha256(piece.encode()).digest()[:4], "big") % VOCABULARY


def _invented(digest: str, text: str, request: GenerateRequest) -> str:
    seed = f"{digest}\n{request.seed if request.temperature else 0}\n{text}"
    words, block = [], seed.encode()
    for _ in range(request.max_tokens or 8):
        block = hashlib.sha256(block).digest()
        words.append(WORDS[block[0] % len(WORDS)])
    return " ".join(words)


def _cut_at_stop(pieces: list[str], stops: Sequence[str]) -> tuple[list[str], bool]:
    text = "".join(pieces)
    found = [text.index(stop) for stop in stops if stop and stop in text]
    return (_pieces(text[: min(found)]), True) if found else (pieces, False)
