"""The torch engine on the packaged SmolLM2-135M: logits and tokens are PEFT's."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.domain.base_folder import base_facts
from registry.sources.packaged_base import prepare_packaged_base
from serving.engines.base import GenerateRequest
from serving.engines.text import TextCodec
from serving.engines.torch_engine import TorchEngine
from tests.serving.engines.test_torch_parity import MAX_DIFFERENCE, Bench
from tests.serving.engines.tiny import Judge, Package, make_adapter

MESSAGES = ({"role": "user", "content": "Name three signs of dehydration in a child."},)


@pytest.fixture(scope="module")
def base() -> Path:
    models = Path(os.environ.get("FORMULARY_MODELS") or "var/models")
    return prepare_packaged_base(models / "smollm2-135m")


@pytest.fixture(scope="module")
def package(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Package:
    folder = tmp_path_factory.mktemp("real")
    return make_adapter(base, folder, seed=9, strength=0.5, r=16, lora_alpha=32)


@pytest.fixture(scope="module")
def prompt(base: Path) -> list[int]:
    return TextCodec(base).encode_chat(MESSAGES)


@pytest.fixture(scope="module")
def judge(base: Path, package: Package) -> Judge:
    return Judge(base, package)


@pytest.fixture(scope="module")
def engine(base: Path, package: Package) -> Iterator[TorchEngine]:
    made = TorchEngine(base=base, slots=2, max_model_len=256, threads=1)
    made.load(package.name, package.folder, package.digest)
    yield made
    made.close()


def test_facts_of_the_packaged_base(base: Path) -> None:
    facts = base_facts(base)
    assert facts.architecture == "LlamaForCausalLM"
    assert (facts.vocab_size, facts.embedding_rows, facts.eos_token_ids) == (49152, 49152, (2,))
    assert facts.shapes["model.layers.29.mlp.down_proj"] == (576, 1536)
    assert facts.chat_template_sha256 is not None


def test_the_chat_is_encoded_as_transformers_does(base: Path, prompt: list[int]) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    assert prompt == tokenizer.apply_chat_template(
        list(MESSAGES), add_generation_prompt=True, return_dict=False
    )


def test_logits_of_both_phases_are_pefts(
    base: Path, package: Package, prompt: list[int], judge: Judge
) -> None:
    bench = Bench(base)
    answer = bench.codec.encode(" Dry lips, no tears, few wet nappies.")
    [ours] = bench.forced_logits([bench.row(prompt, bench.load(package, slot=1))], [answer])
    theirs = judge.decode_logits(prompt, answer)
    assert (ours[0] - theirs[0]).abs().max() <= MAX_DIFFERENCE, "prefill"
    assert (ours[1:] - theirs[1:]).abs().max() <= MAX_DIFFERENCE, "decode"


def test_tokens_of_a_mixed_batch_are_pefts(
    engine: TorchEngine, package: Package, prompt: list[int], judge: Judge
) -> None:
    async def ask(name: str | None) -> list[int]:
        request = GenerateRequest(name=name, messages=MESSAGES, max_tokens=24)
        return [event.token_id async for event in engine.generate(request)]

    async def both() -> list[list[int]]:
        return await asyncio.gather(ask(package.name), ask(None), ask(package.name))

    with_adapter, of_base, again = asyncio.run(both())
    for answer in {tuple(with_adapter), tuple(again)}:
        assert judge.explains(prompt, list(answer))
    assert not judge.explains(prompt, of_base)
    with judge.model.disable_adapter():
        assert judge.explains(prompt, of_base)
