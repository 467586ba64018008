"""What every engine in the list keeps, whatever it computes with."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serving.engines import ENGINES, engine_class
from serving.engines.base import AdapterState, Engine, GenerateRequest, TokenEvent
from serving.engines.errors import (
    AdapterUnknown,
    AdapterUnloadable,
    EngineRefused,
    NameTaken,
    PromptTooLong,
    RequestInvalid,
    SlotsFull,
)
from tests.serving.engines.tiny import Package


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest, tiny_base: Path) -> Iterator[Engine]:
    made = engine_class(request.param)(base=tiny_base, slots=2, max_model_len=128)  # type: ignore[call-arg]
    yield made
    made.close()


@pytest.fixture
def first(adapter: Callable[..., Package]) -> Package:
    return adapter(seed=21)


@pytest.fixture
def second(adapter: Callable[..., Package]) -> Package:
    return adapter(seed=22)


def put(engine: Engine, package: Package) -> None:
    engine.load(package.name, package.folder, package.digest)


def collect(engine: Engine, **settings: object) -> list[TokenEvent]:
    settings = {"name": None, "prompt": "a cough since Monday", "max_tokens": 5, **settings}

    async def run() -> list[TokenEvent]:
        return [event async for event in engine.generate(GenerateRequest(**settings))]  # type: ignore[arg-type]

    return asyncio.run(run())


def test_capabilities_and_health(engine: Engine) -> None:
    facts = engine.capabilities()
    assert (facts.slots, facts.max_rank, facts.max_model_len) == (2, 64, 128)
    assert len(facts.base_digest) == 64 and facts.engine_build
    assert engine.health()
    engine.close()
    assert not engine.health()


def test_an_answer_ends_with_finish_and_counts(engine: Engine, first: Package) -> None:
    put(engine, first)
    events = collect(engine, name=first.name, max_tokens=3)
    assert [event.finish for event in events[:-1]] == [None] * (len(events) - 1)
    last = events[-1]
    assert last.finish in {"stop", "length"}
    assert last.completion_tokens == len(events) and (last.prompt_tokens or 0) > 0
    assert {event.digest for event in events} == {first.digest}


def test_the_same_prompt_gives_the_same_answer_and_another_adapter_another(
    engine: Engine, first: Package, second: Package
) -> None:
    put(engine, first)
    put(engine, second)
    answers = [
        "".join(event.text for event in collect(engine, name=name, max_tokens=8))
        for name in (first.name, first.name, second.name, None)
    ]
    assert answers[0] == answers[1]
    assert len(set(answers)) == 3


def test_the_base_answers_under_its_own_digest(engine: Engine) -> None:
    digests = {event.digest for event in collect(engine)}
    assert digests == {engine.capabilities().base_digest}


def test_an_unknown_name_is_refused_and_never_answered_by_the_base(
    engine: Engine, first: Package
) -> None:
    with pytest.raises(AdapterUnknown):
        collect(engine, name=first.name)
    with pytest.raises(AdapterUnknown):
        engine.unload(first.name)
    put(engine, first)
    assert engine.unload(first.name) is None
    with pytest.raises(AdapterUnknown):
        collect(engine, name=first.name)


def test_names_digests_and_slots(engine: Engine, first: Package, second: Package) -> None:
    put(engine, first)
    put(engine, first)
    assert [(a.name, a.state, a.refs) for a in engine.loaded()] == [
        (first.name, AdapterState.LOADED, 0)
    ]
    with pytest.raises(NameTaken):
        engine.load(first.name, second.folder, second.digest)
    put(engine, second)
    with pytest.raises(SlotsFull):
        engine.load("third@000000000000", first.folder, "0" * 64)
    engine.unload(second.name)
    engine.load("third@000000000000", second.folder, second.digest)


def test_a_drained_slot_is_free_again(engine: Engine, first: Package) -> None:
    put(engine, first)

    table = engine._table  # type: ignore[attr-defined]

    async def run() -> None:
        stream = engine.generate(GenerateRequest(name=first.name, prompt="cough", max_tokens=20))
        with table._changed:  # the answer's pin stays while we look, however fast it is computed
            await anext(stream)
            assert engine.loaded()[0].refs == 1
            assert engine.unload(first.name) is AdapterState.UNLOADING
            assert [a.state for a in engine.loaded()] == [AdapterState.UNLOADING]
        async for _ in stream:
            pass

    asyncio.run(run())
    assert table.wait_until(lambda: not engine.loaded(), timeout_seconds=10)


def test_margins_come_when_asked_for(engine: Engine) -> None:
    assert all(event.margin is None for event in collect(engine))
    margins = [event.margin for event in collect(engine, want_margins=True)]
    assert all(margin is not None and margin >= 0 for margin in margins)


def test_too_long_and_malformed_requests_are_refused(engine: Engine) -> None:
    with pytest.raises(PromptTooLong):
        collect(engine, prompt="cough " * 400)
    with pytest.raises(PromptTooLong):
        collect(engine, max_tokens=500)
    with pytest.raises(RequestInvalid):
        collect(engine, max_tokens=0)


def test_an_unreadable_package_is_refused(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{")
    (tmp_path / "answers.json").write_text("{")
    with pytest.raises(AdapterUnloadable):
        engine.load("broken@000000000000", tmp_path, "0" * 64)
    assert engine.loaded() == []


def test_unknown_engine_and_memory_in_production_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(EngineRefused):
        engine_class("vllm-someday")
    monkeypatch.setenv("FORMULARY_ENV", "production")
    with pytest.raises(EngineRefused):
        engine_class("memory")(base=tmp_path)  # type: ignore[call-arg]
