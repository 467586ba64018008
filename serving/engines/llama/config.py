"""The numbers of a Llama-architecture model, and which of its variants are refused by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from serving.engines.errors import BaseUnsupported

ARCHITECTURE = "LlamaForCausalLM"


@dataclass(frozen=True, slots=True)
class LlamaConfig:
    """Sizes of one model; ``heads`` query heads share ``kv_heads`` key and value heads."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    rms_eps: float
    rope_theta: float
    is_tied: bool
    max_positions: int

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """From the decoded config.json ``raw``.

        Raises:
            BaseUnsupported: another architecture, or a feature this forward pass lacks.
        """
        architecture = (raw.get("architectures") or ["unknown"])[0]
        if architecture != ARCHITECTURE:
            raise _unsupported(f"the architecture {architecture}")
        for key, plain in (("attention_bias", False), ("mlp_bias", False), ("hidden_act", "silu")):
            if raw.get(key, plain) != plain:
                raise _unsupported(f"{key}={raw[key]!r}")
        if raw.get("quantization_config"):
            raise _unsupported("a quantised base")
        rope = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
        kind = rope.get("rope_type", rope.get("type", "default"))
        if kind != "default":
            raise _unsupported(f"rope_type={kind!r}")
        heads, hidden = raw["num_attention_heads"], raw["hidden_size"]
        return cls(
            layers=raw["num_hidden_layers"],
            hidden=hidden,
            intermediate=raw["intermediate_size"],
            heads=heads,
            kv_heads=raw.get("num_key_value_heads") or heads,
            head_dim=raw.get("head_dim") or hidden // heads,
            vocab=raw["vocab_size"],
            rms_eps=raw["rms_norm_eps"],
            rope_theta=float(rope.get("rope_theta") or raw.get("rope_theta") or 10_000.0),
            is_tied=bool(raw.get("tie_word_embeddings")),
            max_positions=raw["max_position_embeddings"],
        )


def _unsupported(what: str) -> BaseUnsupported:
    return BaseUnsupported(
        f"this engine does not serve {what}",
        fix=f"Use a plain {ARCHITECTURE} base (default rotary positions, no biases, SiLU).",
    )


@dataclass(frozen=True, slots=True)
class Projection:
    """One linear layer that adapters may target: its last names, e.g. ``self_attn.q_proj``."""

    suffix: str
    out_features: int


@dataclass(frozen=True, slots=True)
class Group:
    """Projections that read the same input and are computed in one matrix product."""

    name: str
    in_features: int
    projections: tuple[Projection, ...]

    @property
    def out_features(self) -> int:
        """Width of the joined output, in the projections' order."""
        return sum(projection.out_features for projection in self.projections)


def layer_groups(config: LlamaConfig) -> tuple[Group, ...]:
    """The four groups of a layer: qkv, o, gate_up, down."""
    queries = config.heads * config.head_dim
    keys = config.kv_heads * config.head_dim
    return (
        Group(
            "qkv",
            config.hidden,
            (
                Projection("self_attn.q_proj", queries),
                Projection("self_attn.k_proj", keys),
                Projection("self_attn.v_proj", keys),
            ),
        ),
        Group("o", queries, (Projection("self_attn.o_proj", config.hidden),)),
        Group(
            "gate_up",
            config.hidden,
            (
                Projection("mlp.gate_proj", config.intermediate),
                Projection("mlp.up_proj", config.intermediate),
            ),
        ),
        Group("down", config.intermediate, (Projection("mlp.down_proj", config.hidden),)),
    )


def module_path(layer: int, projection: Projection) -> str:
    """The module's path in the transformers model, as adapters name it."""
    return f"model.layers.{layer}.{projection.suffix}"
