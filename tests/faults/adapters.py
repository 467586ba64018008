"""Adapters for the tiny base, in the form that PEFT's save_pretrained writes."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.tiny_base import MODULES, NAME

ALL_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
Tensors = dict[str, tuple[str, list[int], bytes]]
"""Name → (dtype, shape, bytes)."""


def adapter_config(**changes: Any) -> dict[str, Any]:
    """What PEFT 0.21 writes for a plain LoRA, with changes."""
    return {
        "task_type": "CAUSAL_LM",
        "peft_type": "LORA",
        "auto_mapping": None,
        "peft_version": "0.21.2",
        "base_model_name_or_path": NAME,
        "revision": None,
        "inference_mode": True,
        "r": 8,
        "target_modules": ["q_proj", "v_proj"],
        "exclude_modules": None,
        "lora_alpha": 16,
        "lora_dropout": 0.05,
        "fan_in_fan_out": False,
        "bias": "none",
        "use_rslora": False,
        "modules_to_save": None,
        "init_lora_weights": True,
        "layers_to_transform": None,
        "layers_pattern": None,
        "rank_pattern": {},
        "alpha_pattern": {},
        "megatron_config": None,
        "megatron_core": "megatron.core",
        "trainable_token_indices": None,
        "loftq_config": {},
        "eva_config": None,
        "corda_config": None,
        "use_dora": False,
        "alora_invocation_tokens": None,
        "use_qalora": False,
        "qalora_group_size": 16,
        "layer_replication": None,
        "lora_bias": False,
        "target_parameters": None,
        "ensure_weight_tying": False,
    } | changes


def encoded(values: np.ndarray, dtype: str) -> bytes:
    """Float32 values as the bytes of a safetensors dtype."""
    if dtype == "BF16":
        return (values.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
    return values.astype({"F32": "<f4", "F16": "<f2", "F64": "<f8", "I8": "<i1"}[dtype]).tobytes()


def lora_tensors(
    ranks: Mapping[str, int], *, dtype: str = "F32", seed: int = 1, spread: float = 0.02
) -> Tensors:
    """A (rank × in) and B (out × rank) of each module, like those of a trained adapter."""
    random = np.random.default_rng(seed)
    tensors: Tensors = {}
    for module, rank in ranks.items():
        out, inn = MODULES[module]
        for side, shape, size in (("A", (rank, inn), inn**-0.5), ("B", (out, rank), spread)):
            values = (random.standard_normal(shape) * size).astype(np.float32)
            name = f"base_model.model.{module}.lora_{side}.weight"
            tensors[name] = (dtype, list(shape), encoded(values, dtype))
    return tensors


def safetensors_bytes(tensors: Tensors, *, metadata: dict[str, str] | None = None) -> bytes:
    """A sound safetensors file."""
    header: dict[str, Any] = {"__metadata__": metadata or {"format": "pt"}}
    position, data = 0, b""
    for name, (dtype, shape, raw) in sorted(tensors.items()):
        offsets = [position, position + len(raw)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        position += len(raw)
        data += raw
    return with_header(json.dumps(header).encode(), data)


def with_header(header: bytes, data: bytes) -> bytes:
    """Any header before any data."""
    return struct.pack("<Q", len(header)) + header + data


def write_adapter(
    folder: Path,
    *,
    config: Mapping[str, Any] | None = None,
    tensors: Tensors | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """A folder with an adapter: rank 8 on all q_proj and v_proj, unless told otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    if tensors is None:
        tensors = lora_tensors(ranks_of("q_proj", "v_proj"))
    (folder / "adapter_config.json").write_text(json.dumps(config or adapter_config(), indent=2))
    content = safetensors_bytes(tensors, metadata=metadata)
    (folder / "adapter_model.safetensors").write_bytes(content)
    (folder / "README.md").write_text("---\nlibrary_name: peft\n---\nA synthetic adapter.\n")
    return folder


def ranks_of(*kinds: str, rank: int = 8) -> dict[str, int]:
    """Module → rank for all modules whose last part is one of ``kinds``."""
    return {module: rank for module in MODULES if module.rsplit(".", 1)[-1] in kinds}
