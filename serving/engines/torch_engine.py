"""Our own engine: a Llama base with LoRA slots, one thread for the model, any mix of adapters."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import torch

from registry.domain.base_folder import base_facts
from serving.engines.base import (
    AdapterState,
    Capabilities,
    Engine,
    GenerateRequest,
    LoadedAdapter,
    TokenEvent,
    build_id,
)
from serving.engines.errors import EngineRefused, PromptTooLong, RequestInvalid
from serving.engines.llama.adapter import read_adapter
from serving.engines.llama.cache import KvCache
from serving.engines.llama.config import LlamaConfig
from serving.engines.llama.model import LlamaModel
from serving.engines.llama.slab import LoraSlab
from serving.engines.rows import Row
from serving.engines.runner import Runner
from serving.engines.sampling import Sampling
from serving.engines.slots import SlotTable
from serving.engines.text import TextCodec, TextStream

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
MAX_ROWS = 32
PREFILL_TOKENS = 128


class TorchEngine(Engine):
    """Serves one Llama-architecture base; see ``Engine``."""

    name = "torch"

    def __init__(
        self,
        *,
        base: Path,
        slots: int = 8,
        max_rank: int = 64,
        max_model_len: int = 1024,
        dtype: str = "float32",
        threads: int = 1,
        max_rows: int = MAX_ROWS,
        prefill_tokens: int = PREFILL_TOKENS,
        device: str = "cpu",
    ) -> None:
        """Load the base in the folder ``base``. ``prefill_tokens``: at most so many a step.

        Raises:
            BaseUnsupported: the base is of another architecture.
            EngineRefused: a setting is out of range.
        """
        if dtype not in DTYPES or min(slots, max_rank, max_model_len, threads, max_rows) < 1:
            raise EngineRefused(
                "slots, max_rank, max_model_len, threads and rows should be at least 1, dtype one "
                f"of {', '.join(DTYPES)}"
            )
        self._facts = base_facts(base)
        config = LlamaConfig.read(self._facts.config)
        self._dtype, self._device = dtype, torch.device(device)
        self._length = min(max_model_len, config.max_positions)
        kind = DTYPES[dtype]
        slab = LoraSlab(config, slots=slots, max_rank=max_rank, dtype=kind, device=self._device)
        cache = KvCache(config, rows=max_rows, length=self._length, dtype=kind, device=self._device)
        torch.set_num_threads(threads)
        model = LlamaModel(
            config,
            base,
            cache=cache,
            slab=slab,
            dtype=kind,
            device=self._device,
            length=self._length,
        )
        self._slab = slab
        self._max_rank = max_rank
        self._table = SlotTable(slots, zero=slab.zero)
        self._codec = TextCodec(base)
        self._runner = Runner(
            model,
            self._table,
            eos_ids=frozenset(self._facts.eos_token_ids),
            device=self._device,
            threads=threads,
            prefill_tokens=prefill_tokens,
        )

    def load(self, name: str, path: Path, digest: str) -> LoadedAdapter:
        """See ``Engine.load``; runs in the caller's thread beside the batch."""
        with self._table.loading(name, digest) as entry:
            published = entry
            if published is None:
                matrices = read_adapter(
                    path,
                    self._facts.shapes,
                    max_rank=self._max_rank,
                    servable=self._slab.modules,
                )
                slot = self._table.reserve()
                try:
                    self._slab.write(slot, matrices)
                except BaseException:
                    self._table.give_back(slot)
                    raise
                published = self._table.publish(name, digest, slot)
        return LoadedAdapter(name, digest, AdapterState.LOADED, published.refs)

    def unload(self, name: str) -> AdapterState | None:
        """See ``Engine.unload``."""
        return self._table.unload(name)

    def loaded(self) -> Sequence[LoadedAdapter]:
        """See ``Engine.loaded``."""
        return self._table.entries()

    async def generate(self, request: GenerateRequest) -> AsyncIterator[TokenEvent]:
        """See ``Engine.generate``."""
        prompt = self._prompt_of(request)
        row = self._row(request, prompt)
        try:
            self._runner.submit(row)
        except BaseException:
            if row.entry is not None:
                self._table.release(row.entry)
            raise
        is_over = False
        try:
            while not is_over:
                item = await row.queue.get()
                is_over = isinstance(item, Exception) or item.finish is not None
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            if not is_over:
                self._runner.leave(row)

    def _prompt_of(self, request: GenerateRequest) -> Sequence[int]:
        if request.prompt_token_ids is not None:
            prompt: Sequence[int] = request.prompt_token_ids
            rows = self._facts.embedding_rows
            if not all(0 <= token < rows for token in prompt):
                raise RequestInvalid(f"prompt_token_ids should be from 0 to {rows - 1}")
        elif request.messages is not None:
            prompt = self._codec.encode_chat(request.messages)
        elif request.prompt is not None:
            prompt = self._codec.encode(request.prompt)
        else:
            raise RequestInvalid("give messages, prompt or prompt_token_ids")
        if not prompt:
            raise RequestInvalid("the prompt is empty")
        return prompt

    def _row(self, request: GenerateRequest, prompt: Sequence[int]) -> Row:
        if request.max_tokens is not None and request.max_tokens < 1:
            raise RequestInvalid("max_tokens should be at least 1")
        room = self._length - len(prompt)
        if room < (request.max_tokens or 1):
            raise PromptTooLong(
                f"{len(prompt)} prompt tokens and {request.max_tokens or 1} for the answer are "
                f"more than the {self._length} that fit",
                fix="Shorten the prompt, ask for fewer tokens, or start the node with a larger "
                "--max-model-len.",
            )
        sampling = Sampling.of(request.temperature, request.top_p, request.seed)
        loop = asyncio.get_running_loop()
        entry = self._table.acquire(request.name) if request.name is not None else None
        return Row(
            prompt=prompt,
            limit=room if request.max_tokens is None else request.max_tokens,
            entry=entry,
            digest=self._facts.digest if entry is None else entry.digest,
            sampling=sampling,
            text=TextStream(self._codec, request.stop),
            wants_margins=request.want_margins,
            loop=loop,
            queue=asyncio.Queue(),
        )

    def health(self) -> bool:
        """See ``Engine.health``."""
        return self._runner.is_alive

    def capabilities(self) -> Capabilities:
        """See ``Engine.capabilities``."""
        return Capabilities(
            engine=self.name,
            engine_build=ENGINE_BUILD,
            device=str(self._device),
            dtype=self._dtype,
            slots=self._table.count,
            max_rank=self._max_rank,
            max_model_len=self._length,
            base_digest=self._facts.digest,
        )

    def close(self) -> None:
        """See ``Engine.close``."""
        self._runner.close()
        self._table.close()


def _build() -> str:
    folder = Path(__file__).parent
    names = ("rows.py", "runner.py", "sampling.py", "slots.py", "text.py", Path(__file__).name)
    files = [*(folder / name for name in names), *(folder / "llama").glob("*.py")]
    return f"torch-{build_id(*files, versions={'torch': torch.__version__})}"


ENGINE_BUILD = _build()
