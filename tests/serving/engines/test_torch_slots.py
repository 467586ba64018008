"""Slots under traffic: 32 requests over 4 adapters and the base, swaps, draining, zeroing (M2)."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from serving.engines.base import AdapterState, GenerateRequest
from serving.engines.errors import AdapterUnknown, NameTaken, SlotsFull
from serving.engines.torch_engine import TorchEngine
from tests.serving.engines.tiny import Judge, Package

PROMPT = tuple(b"fever for three days, drinks well")
WAIT_SECONDS = 20.0


@dataclass
class Answer:
    package: Package | None
    prompt: tuple[int, ...]
    tokens: list[int] = field(default_factory=list)
    digests: set[str] = field(default_factory=set)
    finish: str | None = None


@pytest.fixture
def engine(tiny_base: Path) -> Iterator[TorchEngine]:
    made = TorchEngine(base=tiny_base, slots=4, max_model_len=512)
    yield made
    made.close()


@pytest.fixture
def packages(adapter: Callable[..., Package]) -> list[Package]:
    return [
        adapter(seed=11, strength=0.5, r=4, lora_alpha=8),
        adapter(seed=12, strength=0.5, r=16),
        adapter(seed=13, strength=0.5, r=64, lora_alpha=64),
        adapter(seed=14, strength=0.5, r=8, use_rslora=True),
    ]


def put(engine: TorchEngine, package: Package) -> None:
    engine.load(package.name, package.folder, package.digest)


async def ask(
    engine: TorchEngine,
    package: Package | None,
    *,
    prompt: tuple[int, ...] = PROMPT,
    max_tokens: int = 32,
    on_token: Callable[[], None] = lambda: None,
) -> Answer:
    answer = Answer(package, prompt)
    request = GenerateRequest(
        name=package.name if package else None, prompt_token_ids=prompt, max_tokens=max_tokens
    )
    async for event in engine.generate(request):
        answer.tokens.append(event.token_id)
        answer.digests.add(event.digest)
        answer.finish = event.finish
        on_token()
    return answer


def judge_all(base: Path, answers: list[Answer], others: list[Package | None]) -> int:
    """Assert that each answer is its version's own; how many another version would have given."""
    judges = {p.digest if p else None: Judge(base, p) for p in others}
    shared = 0
    for answer in answers:
        own = answer.package.digest if answer.package else None
        if answer.package:
            assert answer.digests == {answer.package.digest}
        assert judges[own].explains(list(answer.prompt), answer.tokens)
        shared += any(
            judge.explains(list(answer.prompt), answer.tokens)
            for digest, judge in judges.items()
            if digest != own
        )
    return shared


def test_32_requests_at_once_over_four_adapters_and_the_base(
    engine: TorchEngine, tiny_base: Path, packages: list[Package]
) -> None:
    for package in packages:
        put(engine, package)
    choices: list[Package | None] = [*packages, None]

    async def all_at_once() -> list[Answer]:
        return await asyncio.gather(
            *(
                ask(engine, choices[i % 5], prompt=PROMPT[: 5 + i % 28], max_tokens=8 + i)
                for i in range(32)
            )
        )

    answers = asyncio.run(all_at_once())
    assert [len(answer.tokens) for answer in answers] == [8 + i for i in range(32)]
    assert judge_all(tiny_base, answers, choices) == 0


def test_16_streams_of_256_tokens_over_24_swaps_are_neither_mixed_nor_cut_M58_M59(
    tiny_base: Path, packages: list[Package]
) -> None:
    """Each swap loads the next version, publishes it and unloads the one before."""
    engine = TorchEngine(base=tiny_base, slots=26, max_model_len=512)
    swaps = 24

    async def run() -> list[Answer]:
        tokens = 0
        moved = asyncio.Event()

        def count() -> None:
            nonlocal tokens
            tokens += 1
            moved.set()

        streams: list[asyncio.Task[Answer]] = []
        live = packages[0]
        await asyncio.to_thread(put, engine, live)
        for swap in range(swaps):
            if len(streams) < 16:
                stream = ask(
                    engine, live, prompt=PROMPT[: 6 + swap], max_tokens=256, on_token=count
                )
                streams.append(asyncio.create_task(stream))
            seen = tokens
            while tokens <= seen:  # at least one step of the batch between two swaps
                moved.clear()
                await moved.wait()
            following = packages[(swap + 1) % len(packages)]
            await asyncio.to_thread(put, engine, following)
            await asyncio.to_thread(engine.unload, live.name)
            live = following
        assert not streams[0].done(), "the first stream must have lived through every swap"
        return list(await asyncio.gather(*streams))

    try:
        answers = asyncio.run(run())
        assert len(answers) == 16
        assert {len(answer.tokens) for answer in answers} == {256}
        assert {answer.finish for answer in answers} == {"length"}
        assert judge_all(tiny_base, answers, list(packages)) == 0
        assert engine._table.wait_until(
            lambda: len(engine.loaded()) == 1, timeout_seconds=WAIT_SECONDS
        )
        engine.unload(engine.loaded()[0].name)
        assert all(engine._slab.is_zero(slot) for slot in range(26))
    finally:
        engine.close()


def test_unload_waits_for_the_last_answer_and_then_zeroes_the_slot_M64(
    engine: TorchEngine, packages: list[Package]
) -> None:
    package = packages[2]
    put(engine, package)

    async def run() -> None:
        stream = engine.generate(
            GenerateRequest(name=package.name, prompt_token_ids=PROMPT, max_tokens=200)
        )
        with engine._table._changed:  # its pin stays while we look, however fast it is computed
            first = await anext(stream)
            assert engine.unload(package.name) is AdapterState.UNLOADING
            [left] = engine.loaded()
            assert (left.state, left.refs) == (AdapterState.UNLOADING, 1)
            assert not engine._slab.is_zero(0)
            with pytest.raises(AdapterUnknown):
                await ask(engine, package)
        rest = [event async for event in stream]
        assert len(rest) == 199 and {event.digest for event in rest} == {first.digest}

    asyncio.run(run())
    assert engine._table.wait_until(lambda: not engine.loaded(), timeout_seconds=WAIT_SECONDS)
    assert engine._slab.is_zero(0)


def test_an_unused_slot_is_zeroed_before_unload_returns(
    engine: TorchEngine, packages: list[Package]
) -> None:
    put(engine, packages[1])
    assert not engine._slab.is_zero(0)
    assert engine.unload(packages[1].name) is None
    assert engine._slab.is_zero(0) and engine.loaded() == []


def test_a_client_that_leaves_frees_its_row_and_its_pin(
    engine: TorchEngine, packages: list[Package]
) -> None:
    package = packages[0]
    put(engine, package)

    async def run() -> None:
        stream = engine.generate(
            GenerateRequest(name=package.name, prompt_token_ids=PROMPT, max_tokens=400)
        )
        await anext(stream)
        await stream.aclose()

    asyncio.run(run())
    assert engine._table.wait_until(
        lambda: engine.loaded()[0].refs == 0, timeout_seconds=WAIT_SECONDS
    )
    cache = engine._runner._model.cache
    assert len(cache._free) == 32 and not cache.keys.any() and not cache.values.any()


def test_loading_again_is_the_same_and_other_bytes_under_the_name_are_refused(
    engine: TorchEngine, packages: list[Package]
) -> None:
    put(engine, packages[0])
    put(engine, packages[0])
    assert len(engine.loaded()) == 1
    with pytest.raises(NameTaken):
        engine.load(packages[0].name, packages[1].folder, packages[1].digest)
    for package in packages[1:]:
        put(engine, package)
    with pytest.raises(SlotsFull):
        engine.load("more@0123456789ab", packages[0].folder, packages[0].digest)


def test_fifty_concurrent_loads_and_unloads_of_one_name_leave_one_truth(
    engine: TorchEngine, packages: list[Package]
) -> None:
    package = packages[1]

    def unload() -> None:
        try:
            engine.unload(package.name)
        except AdapterUnknown:
            return

    async def run() -> None:
        acts = [(put, engine, package) if i % 2 == 0 else (unload,) for i in range(50)]
        await asyncio.gather(*(asyncio.to_thread(*act) for act in acts))

    asyncio.run(run())
    put(engine, package)
    assert [adapter.name for adapter in engine.loaded()] == [package.name]
    taken = [slot for slot in range(4) if not engine._slab.is_zero(slot)]
    assert len(taken) == 1


def test_rows_beyond_the_cache_wait_and_are_answered(
    tiny_base: Path, packages: list[Package]
) -> None:
    engine = TorchEngine(base=tiny_base, slots=1, max_model_len=128, max_rows=2)
    try:
        put(engine, packages[0])

        async def run() -> list[Answer]:
            return await asyncio.gather(*(ask(engine, packages[0]) for _ in range(7)))

        answers = asyncio.run(run())
    finally:
        engine.close()
    assert {len(answer.tokens) for answer in answers} == {32}
    assert judge_all(tiny_base, answers, [packages[0]]) == 0


def test_an_answer_that_turns_non_finite_fails_alone(
    engine: TorchEngine, tiny_base: Path, packages: list[Package]
) -> None:
    """Finite weights can still overflow; the neighbours in the batch keep their answers."""
    from serving.engines.errors import AnswerFailed

    put(engine, packages[0])
    put(engine, packages[1])
    with torch.inference_mode():
        engine._slab.layers[0]["down"].ups[0][1].fill_(3e38)

    async def run() -> list[Answer | BaseException]:
        return await asyncio.gather(
            *(ask(engine, packages[i % 2]) for i in range(6)), return_exceptions=True
        )

    results = asyncio.run(run())
    assert all(isinstance(result, AnswerFailed) for result in results[1::2])
    sound = [result for result in results if isinstance(result, Answer)]
    assert len(sound) == 3 and judge_all(tiny_base, sound, [packages[0]]) == 0
    again = asyncio.run(ask(engine, packages[0]))
    assert judge_all(tiny_base, [again], [packages[0]]) == 0
