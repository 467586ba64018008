"""LoRA arithmetic against PEFT itself, hostile patterns, and the strict safetensors header."""

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

# peft and transformers take seconds: only where they are used.
from registry.domain.patterns import pattern_problem
from registry.domain.peft import (
    AdapterConfigInvalid,
    expand_targets,
    expected_tensors,
    module_of,
    parse_config,
    tensor_name,
    tensor_problems,
    unmatched_targets,
)
from registry.domain.peft_support import KNOWN_KEYS, unknown_keys, unsupported_features
from registry.domain.safetensors_header import HeaderInvalid, read_header

CASES: list[dict[str, Any]] = [
    {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]},
    {"r": 16, "lora_alpha": 8, "target_modules": "all-linear", "use_rslora": True},
    {"target_modules": r".*layers\.(0|11)\..*(k|down)_proj"},
    {"target_modules": ["q_proj"], "layers_to_transform": 1},
    {"target_modules": ["q_proj", "o_proj"], "layers_to_transform": [0, 11]},
    {
        "target_modules": ["up_proj"],
        "layers_to_transform": [1],
        "layers_pattern": ["blocks", "layers"],
    },
    {"target_modules": ["proj"]},
    {"target_modules": ["self_attn.q_proj", "model.layers.1.mlp.up_proj"]},
    {"target_modules": ["q_proj", "k_proj"], "exclude_modules": ["layers.1.self_attn.q_proj"]},
    {"target_modules": "all-linear", "exclude_modules": r".*mlp.*"},
    {
        "target_modules": ["q_proj", "down_proj"],
        "rank_pattern": {"q_proj": 2, r"layers\.1\.self_attn\.q_proj": 5, "^model.*down": 3},
        "alpha_pattern": {r"layers\.[02]\..*": 3, "q_proj": 7, "model.layers.3.mlp.down_proj": 9},
        "use_rslora": True,
    },
]


@pytest.fixture(scope="module")
def shapes() -> dict[str, tuple[int, int]]:
    return {
        name.removesuffix(".weight"): (tensor.shape[0], tensor.shape[1])
        for name, tensor in make_model().named_parameters()
        if tensor.ndim == 2
    } | {"lm_head": (32, 16)}


def make_model() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 16, "intermediate_size": 24, "vocab_size": 32}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 12}
    return LlamaForCausalLM(LlamaConfig(**sizes, **heads, tie_word_embeddings=True))


@pytest.mark.parametrize("number", range(len(CASES)))
def test_targets_ranks_and_scales_are_pefts(
    number: int, shapes: dict[str, tuple[int, int]], tmp_path: Path
) -> None:
    from peft import LoraConfig as PeftConfig
    from peft import get_peft_model

    try:
        model = get_peft_model(make_model(), PeftConfig(**CASES[number]))
    except ValueError as error:  # PEFT refuses a target list that fits nothing
        assert "not found in the base model" in str(error)
        raw = {**PeftConfig(**CASES[number]).to_dict(), "target_modules": ["proj"]}
        config = parse_config(raw)
        assert expand_targets(config, shapes) == {}
        assert unmatched_targets(config, shapes) == ["proj"]
        return
    # PEFT sorts the keys of patterns when it saves, and the first that matches counts: what an
    # adapter means is what PEFT makes of the saved file.
    model.save_pretrained(tmp_path / "first")
    model = get_peft_model(make_model(), PeftConfig.from_pretrained(tmp_path / "first"))
    model.save_pretrained(tmp_path)
    theirs = {
        name.removeprefix("base_model.model."): (module.r["default"], module.scaling["default"])
        for name, module in model.named_modules()
        if hasattr(module, "lora_A") and "default" in module.lora_A
    }
    raw = json.loads((tmp_path / "adapter_config.json").read_text())
    plans = expand_targets(parse_config(raw), shapes)
    ours = {module: (plan.rank, pytest.approx(plan.scale)) for module, plan in plans.items()}
    assert theirs == ours
    file = tmp_path / "adapter_model.safetensors"
    with file.open("rb") as stream:
        header = read_header(stream, size_bytes=file.stat().st_size)
    assert header.shapes == expected_tensors(plans, shapes)
    assert tensor_problems(header.shapes, plans, shapes) == []
    assert unsupported_features(raw) == [] and unknown_keys(raw) == []


def test_known_keys_are_pefts() -> None:
    from peft import LoraConfig

    assert set(LoraConfig().to_dict()) | {"runtime_config"} == KNOWN_KEYS


def test_tensor_names_go_both_ways() -> None:
    name = tensor_name("model.layers.3.mlp.up_proj", "B")
    assert name == "base_model.model.model.layers.3.mlp.up_proj.lora_B.weight"
    assert module_of(name) == ("model.layers.3.mlp.up_proj", "B")
    assert module_of("base_model.model.lm_head.lora_embedding_A") is None


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"r": 0}, "r"),
        ({"r": True}, "r"),
        ({"r": None}, "r"),
        ({"lora_alpha": "16"}, "lora_alpha"),
        ({"lora_alpha": float("nan")}, "lora_alpha"),
        ({"peft_type": "IA3"}, "peft_type"),
        ({"target_modules": []}, "target_modules"),
        ({"target_modules": [1]}, "target_modules"),
        ({"rank_pattern": {"q_proj": 1.5}}, "rank_pattern"),
        ({"alpha_pattern": {"q_proj": -1}}, "alpha_pattern"),
        ({"rank_pattern": {"(a|aa)+$": 4}}, "rank_pattern"),
        ({"target_modules": "(x"}, "target_modules"),
        ({"target_modules": ".*q", "layers_to_transform": [1]}, "layers_to_transform"),
        ({"layers_pattern": "layers"}, "layers_pattern"),
        ({"use_rslora": "yes"}, "use_rslora"),
    ],
)
def test_malformed_configurations_are_refused_with_their_key(
    change: dict[str, Any], key: str
) -> None:
    raw = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"], **change}
    with pytest.raises(AdapterConfigInvalid) as caught:
        parse_config(raw)
    assert [error["key"] for error in caught.value.errors] == [key]


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+b",
        "(.*a){12}",
        "(a|aa)+$",
        "(.|\\w)+Z",
        "(?:a?){40}Z",
        ".*.*.*.*.*.*Z",
        "(x",
        "a" * 3000,
    ],
)
def test_patterns_that_could_run_for_ever_are_refused(pattern: str) -> None:
    assert pattern_problem(pattern) is not None


@pytest.mark.parametrize(
    "pattern",
    [
        r".*\.(q_proj|v_proj)",
        r"^(?!.*vision).*(q|k|v)_proj$",
        r"model\.layers\.([0-9]|1[0-9])\.(self_attn|mlp)\..*_proj",
        r"(?:.*?(?:text|layers).*?(?:self_attn|mlp).*?(?:q_proj|up_proj).*?)|(?:\bmodel\.x)",
    ],
)
def test_patterns_that_people_write_pass_and_are_quick(pattern: str) -> None:
    import re

    assert pattern_problem(pattern) is None
    began = time.process_time()
    for layer in range(30):
        re.fullmatch(pattern, f"model.layers.{layer}.self_attn.rotary_projection_q")
    assert time.process_time() - began < 1


def saved(tmp_path: Path) -> bytes:
    file = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(2, 3), "b": torch.zeros(4, dtype=torch.bfloat16)}, file)
    return file.read_bytes()


def read(data: bytes) -> Any:
    return read_header(io.BytesIO(data), size_bytes=len(data))


def rewritten(data: bytes, change: Any) -> bytes:
    length = int.from_bytes(data[:8], "little")
    text = change(data[8 : 8 + length].decode().rstrip())
    return len(text.encode()).to_bytes(8, "little") + text.encode() + data[8 + length :]


def test_a_sound_header_is_read(tmp_path: Path) -> None:
    header = read(saved(tmp_path))
    assert header.shapes == {"a": (2, 3), "b": (4,)}
    assert {info.dtype for info in header.tensors.values()} == {"F32", "BF16"}


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"a"', '"b"'),
        lambda text: text.replace("[2,3]", "[2,4]"),
        lambda text: text.replace("[2,3]", "[-2,-3]"),
        lambda text: text.replace("F32", "F33"),
        lambda text: text.replace("[0,24]", "[24,0]"),
        lambda text: text.replace("[0,24]", "[0,23]"),
        lambda text: text[:-1],
        lambda text: "[]",
        lambda text: "[" * 100_000,
        lambda text: text.replace("{", '{"__metadata__":{"x":1},', 1),
    ],
)
def test_unsound_headers_are_refused(tmp_path: Path, change: Any) -> None:
    with pytest.raises(HeaderInvalid):
        read(rewritten(saved(tmp_path), change))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:7],
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: (1 << 62).to_bytes(8, "little") + data[8:],
        lambda data: b"PK\x03\x04" + data,
    ],
)
def test_cut_grown_and_foreign_files_are_refused(tmp_path: Path, damage: Any) -> None:
    with pytest.raises(HeaderInvalid):
        read(damage(saved(tmp_path)))


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200))
def test_random_bytes_are_refused_and_nothing_else_happens(data: bytes) -> None:
    for candidate in (data, len(data).to_bytes(8, "little") + data):
        try:
            read(candidate)
        except HeaderInvalid:
            continue
        assert candidate[8:].strip() in (b"{}", b'{"__metadata__":{}}')
