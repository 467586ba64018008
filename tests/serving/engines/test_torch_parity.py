"""The torch engine against PEFT with one adapter: logits of each phase, tokens, mixed batches."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from registry.domain.base_folder import base_facts
from serving.engines.base import GenerateRequest
from serving.engines.llama.adapter import read_adapter
from serving.engines.llama.cache import KvCache
from serving.engines.llama.config import LlamaConfig
from serving.engines.llama.model import LlamaModel
from serving.engines.llama.slab import LoraSlab
from serving.engines.rows import Row, build_step, plan_batch
from serving.engines.sampling import Sampling
from serving.engines.slots import SlotEntry
from serving.engines.text import TextCodec, TextStream
from serving.engines.torch_engine import TorchEngine
from tests.serving.engines.tiny import ALL_SEVEN, Judge, Package

MAX_DIFFERENCE = 5e-4
PROMPT = list(b"a child of four with a cough and a rash since noon")
CPU = torch.device("cpu")

SHAPES: dict[str, dict[str, Any]] = {
    "rank 4": {"r": 4, "lora_alpha": 8},
    "rank 8, f16 on disk": {"r": 8, "dtype": torch.float16},
    "rank 16, bf16 on disk": {"r": 16, "lora_alpha": 8, "dtype": torch.bfloat16},
    "rank 64": {"r": 64, "lora_alpha": 64},
    "odd rank 5": {"r": 5, "lora_alpha": 7},
    "rsLoRA": {"r": 16, "lora_alpha": 8, "use_rslora": True},
    "attention only": {"target_modules": ["q_proj", "v_proj"]},
    "all-linear": {"target_modules": "all-linear"},
    "pattern as target": {"target_modules": r".*layers\.[02]\..*(k|down)_proj"},
    "some layers": {"layers_to_transform": [1], "layers_pattern": "layers"},
    "excluded": {"exclude_modules": ["mlp.up_proj", "model.layers.0.self_attn.q_proj"]},
    "rank_pattern": {"rank_pattern": {"q_proj": 32, "layers.1.mlp.down_proj": 2}},
    "alpha_pattern": {"alpha_pattern": {"^model.layers.2.self_attn.v_proj": 64, "up_proj": 1}},
    "both patterns, rsLoRA": {
        "rank_pattern": {r".*\.k_proj": 3, "o_proj": 24},
        "alpha_pattern": {"o_proj": 5, "gate_proj": 48},
        "use_rslora": True,
    },
}


class Bench:
    """Model, cache and slab without the engine's thread, to look at logits."""

    def __init__(self, base: Path) -> None:
        facts = base_facts(base)
        config = LlamaConfig.read(facts.config)
        kind = {"dtype": torch.float32, "device": CPU}
        self.facts, self.base = facts, base
        self.slab = LoraSlab(config, slots=4, max_rank=64, **kind)
        cache = KvCache(config, rows=8, length=256, **kind)
        self.model = LlamaModel(config, base, cache=cache, slab=self.slab, length=256, **kind)
        self.codec = TextCodec(base)

    def load(self, package: Package, slot: int) -> SlotEntry:
        self.slab.write(
            slot,
            read_adapter(
                package.folder, self.facts.shapes, max_rank=64, servable=self.slab.modules
            ),
        )
        return SlotEntry(package.name, package.digest, slot)

    def row(self, prompt: list[int], entry: SlotEntry | None) -> Row:
        cache_row = self.model.cache.take()
        assert cache_row is not None
        row = Row(
            prompt=prompt,
            limit=100,
            entry=entry,
            digest="",
            sampling=Sampling(),
            text=TextStream(self.codec),
            wants_margins=False,
            loop=asyncio.new_event_loop(),
            queue=asyncio.Queue(),
            cache_row=cache_row,
        )
        row.loop.close()
        return row

    def forced_logits(
        self, rows: list[Row], answers: list[list[int]], *, prefill_tokens: int = 1000
    ) -> list[torch.Tensor]:
        """Logits before each token of each row's answer, all rows in one batch."""
        found: dict[int, list[torch.Tensor]] = {id(row): [] for row in rows}
        left = {id(row): list(answer) for row, answer in zip(rows, answers, strict=True)}
        active = list(rows)
        while active:
            batch = plan_batch(active, prefill_tokens=prefill_tokens)
            finishing = batch.finishing
            logits = self.model.forward(build_step(batch, self.slab, CPU))
            for row in batch.decode:
                row.length += 1
            for piece in batch.pieces:
                piece.row.length += piece.count
            for row, line in zip(finishing, logits, strict=True):
                found[id(row)].append(line)
                row.answer.append(left[id(row)].pop(0))
                if not left[id(row)]:
                    active.remove(row)
        return [torch.stack(found[id(row)]) for row in rows]


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_equal_pefts_in_the_same_phase(
    tiny_base: Path, adapter: Callable[..., Package], shape: str
) -> None:
    package = adapter(seed=3, **SHAPES[shape])
    bench, judge = Bench(tiny_base), Judge(tiny_base, package)
    row = bench.row(PROMPT, bench.load(package, slot=2))
    answer = list(b"ward seven, today")
    [ours] = bench.forced_logits([row], [answer])
    theirs = judge.decode_logits(PROMPT, answer)
    assert (ours[0] - theirs[0]).abs().max() <= MAX_DIFFERENCE, "prefill"
    assert (ours[1:] - theirs[1:]).abs().max() <= MAX_DIFFERENCE, "decode"
    base = Judge(tiny_base).decode_logits(PROMPT, answer)
    assert (theirs - base).abs().max() > 100 * MAX_DIFFERENCE, "the adapter must do something"


def test_base_rows_equal_the_base(tiny_base: Path) -> None:
    bench = Bench(tiny_base)
    answer = list(b"nothing to add")
    [ours] = bench.forced_logits([bench.row(PROMPT, None)], [answer])
    theirs = Judge(tiny_base).decode_logits(PROMPT, answer)
    assert (ours - theirs).abs().max() <= MAX_DIFFERENCE


@pytest.mark.parametrize("prefill_tokens", [7, 64, 1000])
def test_a_mixed_batch_gives_each_row_its_own_adapters_logits(
    tiny_base: Path, adapter: Callable[..., Package], prefill_tokens: int
) -> None:
    """Four adapters of different rank and the base, other lengths, prompts cut into pieces."""
    packages = [
        adapter(seed=1, r=4, lora_alpha=8),
        adapter(seed=2, r=64, lora_alpha=64),
        adapter(seed=4, r=16, use_rslora=True, lora_alpha=8),
        adapter(seed=5, target_modules=["q_proj", "v_proj"]),
    ]
    bench = Bench(tiny_base)
    entries = [bench.load(package, slot) for slot, package in enumerate(packages)]
    plan: list[tuple[Package | None, SlotEntry | None]] = [
        (packages[2], entries[2]),
        (None, None),
        (packages[0], entries[0]),
        (packages[1], entries[1]),
        (packages[2], entries[2]),
        (packages[3], entries[3]),
        (None, None),
    ]
    prompts = [PROMPT[: 9 + 6 * index] for index in range(len(plan))]
    answers = [list(b"see a doctor now or tomorrow"[: 8 + 3 * index]) for index in range(len(plan))]
    rows = [bench.row(p, entry) for p, (_, entry) in zip(prompts, plan, strict=True)]
    found = bench.forced_logits(rows, answers, prefill_tokens=prefill_tokens)
    for (package, _), prompt, answer, ours in zip(plan, prompts, answers, found, strict=True):
        theirs = Judge(tiny_base, package).decode_logits(prompt, answer)
        assert (ours - theirs).abs().max() <= MAX_DIFFERENCE


@pytest.mark.parametrize("shape", ["rank 4", "rank 64", "rsLoRA", "both patterns, rsLoRA"])
def test_greedy_tokens_are_pefts(
    tiny_base: Path, adapter: Callable[..., Package], shape: str
) -> None:
    package = adapter(seed=3, **SHAPES[shape])
    engine = TorchEngine(base=tiny_base, slots=2, max_model_len=256)
    try:
        engine.load(package.name, package.folder, package.digest)

        async def ask(name: str | None) -> list[int]:
            request = GenerateRequest(name=name, prompt_token_ids=tuple(PROMPT), max_tokens=40)
            return [event.token_id async for event in engine.generate(request)]

        answer, base_answer = asyncio.run(ask(package.name)), asyncio.run(ask(None))
    finally:
        engine.close()
    judge, base_judge = Judge(tiny_base, package), Judge(tiny_base)
    assert judge.explains(PROMPT, answer)
    assert base_judge.explains(PROMPT, base_answer)
    assert not base_judge.explains(PROMPT, answer), "a judge that accepts all proves nothing"


def test_grouped_mm_works_on_the_cpu_in_f32_with_empty_groups() -> None:
    """The documentation says CUDA only; the decode path relies on this."""
    inputs, weights = torch.randn(5, 16), torch.randn(4, 16, 8)
    offsets = torch.tensor([2, 2, 5, 5], dtype=torch.int32)
    found = torch.nn.functional.grouped_mm(inputs, weights, offs=offsets)
    expected = torch.cat([inputs[:2] @ weights[0], inputs[2:] @ weights[2]])
    assert torch.allclose(found, expected, atol=1e-5)


def test_seven_modules_are_servable(tiny_base: Path) -> None:
    last = {path.rsplit(".", 1)[1] for path in Bench(tiny_base).slab.modules}
    assert last == set(ALL_SEVEN)
