"""How the torch engine ends, draws and refuses: end token, stops, seeds, unsupported adapters."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from serving.engines.base import GenerateRequest, TokenEvent
from serving.engines.errors import AdapterUnloadable, AnswerFailed, BaseUnsupported
from serving.engines.torch_engine import TorchEngine
from tests.serving.engines.tiny import Package


@pytest.fixture(scope="module")
def engine(tiny_base: Path) -> Iterator[TorchEngine]:
    made = TorchEngine(base=tiny_base, slots=2, max_rank=16, max_model_len=128)
    yield made
    made.close()


def ask(engine: TorchEngine, **settings: Any) -> list[TokenEvent]:
    settings = {"name": None, "prompt": "sore throat", "max_tokens": 24, **settings}

    async def run() -> list[TokenEvent]:
        return [event async for event in engine.generate(GenerateRequest(**settings))]

    return asyncio.run(run())


def text_of(events: list[TokenEvent]) -> str:
    return "".join(event.text for event in events)


def test_text_is_the_decoded_answer(engine: TorchEngine) -> None:
    events = ask(engine)
    assert text_of(events) == engine._codec.decode([event.token_id for event in events])
    assert events[-1].finish == "length"


def test_a_stop_string_ends_the_answer_before_it(engine: TorchEngine) -> None:
    whole = text_of(ask(engine))
    stop = whole[5:8]
    events = ask(engine, stop=(stop,))
    assert text_of(events) == whole[: whole.index(stop)]
    assert events[-1].finish == "stop" and len(events) < 24


def test_the_end_token_ends_the_answer_and_is_counted(
    engine: TorchEngine, tiny_base: Path, tmp_path: Path
) -> None:
    expected = [event.token_id for event in ask(engine)]
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    file = folder / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "eos_token_id": [config["eos_token_id"], expected[3]]}))
    other = TorchEngine(base=folder, slots=1, max_model_len=128)
    try:
        events = ask(other)
    finally:
        other.close()
    cut = expected.index(expected[3])
    assert [event.token_id for event in events] == expected[: cut + 1]
    assert text_of(events) == other._codec.decode(expected[:cut])
    assert (events[-1].finish, events[-1].completion_tokens) == ("stop", cut + 1)


def test_draws_follow_the_seed(engine: TorchEngine) -> None:
    def draw(seed: int, **more: Any) -> list[int]:
        return [event.token_id for event in ask(engine, temperature=1.5, seed=seed, **more)]

    assert draw(1) == draw(1) != draw(2)
    greedy = [event.token_id for event in ask(engine)]
    assert draw(1, top_p=0.0) == greedy


def test_many_draws_follow_the_distribution() -> None:
    from serving.engines.sampling import Sampling, choose

    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]]))
    sampling = Sampling.of(1.0, 0.9, 5)
    found = torch.zeros(4)
    for _ in range(3000):
        [choice] = choose(logits, [sampling], margins=[False])
        assert choice.token_id is not None
        found[choice.token_id] += 1
    expected = torch.tensor([0.5, 0.3, 0.15, 0.0]) / 0.95
    assert (found / 3000 - expected).abs().max() < 0.04 and found[3] == 0


UNSUPPORTED = {
    "use_dora": (True, "DoRA"),
    "bias": ("all", "bias"),
    "modules_to_save": (["lm_head"], "modules_to_save"),
    "alora_invocation_tokens": ([1, 2], "aLoRA"),
    "layer_replication": ([[0, 2], [1, 3]], "layer replication"),
    "trainable_token_indices": ([3], "trained tokens"),
    "init_lora_weights": ("pissa", "initialisation"),
    "r": (8.5, "r is 8.5"),
    "target_modules": ("(.*)+x", "target_modules"),
}


def changed(package: Package, folder: Path, **config: Any) -> Path:
    shutil.copytree(package.folder, folder)
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **config}))
    return folder


@pytest.mark.parametrize("key", UNSUPPORTED)
def test_unsupported_features_are_refused_by_name(
    engine: TorchEngine, adapter: Callable[..., Package], tmp_path: Path, key: str
) -> None:
    value, name = UNSUPPORTED[key]
    folder = changed(adapter(seed=31), tmp_path / "x", **{key: value})
    with pytest.raises(AdapterUnloadable, match=name.replace("(", r"\(")):
        engine.load("x@000000000000", folder, "0" * 64)
    assert engine.loaded() == []


def test_rank_over_the_slot_is_refused(
    engine: TorchEngine, adapter: Callable[..., Package]
) -> None:
    big = adapter(seed=32, r=8, rank_pattern={"o_proj": 24})
    with pytest.raises(AdapterUnloadable, match=r"o_proj has rank 24.*up to 16"):
        engine.load(big.name, big.folder, big.digest)


@pytest.mark.parametrize("damage", ["nan", "missing", "shape", "extra", "int", "cut", "gone"])
def test_damaged_weights_are_refused_before_any_slot_is_touched(
    engine: TorchEngine, adapter: Callable[..., Package], tmp_path: Path, damage: str
) -> None:
    folder = changed(adapter(seed=31), tmp_path / "x")
    file = folder / "adapter_model.safetensors"
    tensors = load_file(file)
    name = next(name for name in tensors if "1.mlp.up_proj.lora_B" in name)
    if damage == "nan":
        tensors[name][3, 1] = float("nan")
    elif damage == "missing":
        del tensors[name]
    elif damage == "shape":
        tensors[name] = tensors[name][:-1].contiguous()
    elif damage == "extra":
        tensors["base_model.model.model.layers.9.mlp.up_proj.lora_A.weight"] = torch.zeros(8, 64)
    elif damage == "int":
        tensors[name] = tensors[name].to(torch.int32)
    save_file(tensors, file)
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-5])
    elif damage == "gone":
        file.unlink()
    with pytest.raises(AdapterUnloadable):
        engine.load("x@000000000000", folder, "0" * 64)
    assert engine.loaded() == [] and engine._slab.is_zero(0) and engine._slab.is_zero(1)


def test_a_scale_that_overflows_is_refused(
    engine: TorchEngine, adapter: Callable[..., Package], tmp_path: Path
) -> None:
    package = adapter(seed=31)
    folder = changed(package, tmp_path / "x", lora_alpha=9e8)
    file = folder / "adapter_model.safetensors"
    save_file({name: tensor * 1e33 for name, tensor in load_file(file).items()}, file)
    with pytest.raises(AdapterUnloadable, match="not finite"):
        engine.load("x@000000000000", folder, "0" * 64)


def test_other_architectures_are_refused_by_name(tiny_base: Path, tmp_path: Path) -> None:
    for index, (key, value) in enumerate(
        [
            ("architectures", ["MistralForCausalLM"]),
            ("attention_bias", True),
            ("rope_parameters", {"rope_type": "llama3", "rope_theta": 1e4}),
        ]
    ):
        folder = shutil.copytree(tiny_base, tmp_path / str(index))
        file = folder / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
        with pytest.raises(BaseUnsupported):
            TorchEngine(base=folder)


def test_closing_fails_the_answers_in_flight(tiny_base: Path) -> None:
    engine = TorchEngine(base=tiny_base, slots=1, max_model_len=1024)

    async def run() -> None:
        stream = engine.generate(GenerateRequest(name=None, prompt="long", max_tokens=900))
        await anext(stream)
        await asyncio.to_thread(engine.close)
        with pytest.raises(AnswerFailed):
            async for _ in stream:
                pass
        with pytest.raises(AnswerFailed):
            await anext(engine.generate(GenerateRequest(name=None, prompt="again")))

    asyncio.run(run())
    assert not engine.health()


def test_bf16_runs_and_is_near_f32(tiny_base: Path, adapter: Callable[..., Package]) -> None:
    package = adapter(seed=33, r=16)
    texts = []
    for dtype in ("float32", "bfloat16"):
        engine = TorchEngine(base=tiny_base, slots=1, max_model_len=128, dtype=dtype)
        try:
            engine.load(package.name, package.folder, package.digest)
            events = ask(engine, name=package.name, max_tokens=1, want_margins=True)
            texts.append((events[0].token_id, events[0].margin))
        finally:
            engine.close()
    assert texts[0][0] == texts[1][0]
    assert abs((texts[0][1] or 0) - (texts[1][1] or 0)) < 0.25
