"""Good adapters, which every check must let pass."""

from collections.abc import Callable
from pathlib import Path

from tests.faults.adapters import (
    ALL_LINEAR,
    adapter_config,
    lora_tensors,
    ranks_of,
    write_adapter,
)
from tests.faults.tiny_base import MODULES

Make = Callable[[Path], Path]


def of_rank(rank: int) -> Make:
    """q_proj and v_proj with one rank."""

    def make(folder: Path) -> Path:
        return write_adapter(
            folder,
            config=adapter_config(r=rank, lora_alpha=2 * rank),
            tensors=lora_tensors(ranks_of("q_proj", "v_proj", rank=rank)),
        )

    return make


def of_dtype(dtype: str) -> Make:
    """One dtype throughout."""

    def make(folder: Path) -> Path:
        tensors = lora_tensors(ranks_of("q_proj", "v_proj"), dtype=dtype)
        return write_adapter(folder, tensors=tensors)

    return make


def all_linear_list(folder: Path) -> Path:
    """All seven linear layers, listed."""
    return write_adapter(
        folder,
        config=adapter_config(target_modules=ALL_LINEAR),
        tensors=lora_tensors(ranks_of(*ALL_LINEAR)),
    )


def all_linear_word(folder: Path) -> Path:
    """The word all-linear."""
    return write_adapter(
        folder,
        config=adapter_config(target_modules="all-linear"),
        tensors=lora_tensors(ranks_of(*ALL_LINEAR)),
    )


def regex_targets(folder: Path) -> Path:
    """A regular expression that names some layers."""
    pattern = r"model\.layers\.[0-3]\.(self_attn\.(q|k)_proj|mlp\.down_proj)"
    chosen = {
        module: 8
        for module in MODULES
        if int(module.split(".")[2]) <= 3
        and module.rsplit(".", 1)[-1] in ("q_proj", "k_proj", "down_proj")
    }
    return write_adapter(
        folder, config=adapter_config(target_modules=pattern), tensors=lora_tensors(chosen)
    )


def layers_to_transform(folder: Path) -> Path:
    """Listed targets in the last layers only."""
    chosen = {m: 8 for m in ranks_of("q_proj", "v_proj") if int(m.split(".")[2]) >= 4}
    return write_adapter(
        folder, config=adapter_config(layers_to_transform=[4, 5]), tensors=lora_tensors(chosen)
    )


def rslora(folder: Path) -> Path:
    """Scale alpha / sqrt(r)."""
    return write_adapter(
        folder,
        config=adapter_config(r=16, lora_alpha=16, use_rslora=True),
        tensors=lora_tensors(ranks_of("q_proj", "v_proj", rank=16)),
    )


def patterns(folder: Path) -> Path:
    """Ranks and alphas of their own for some modules."""
    ranks = ranks_of("q_proj", "v_proj")
    for module in ranks:
        if "layers.2." in module:
            ranks[module] = 32
        elif module.endswith("v_proj"):
            ranks[module] = 4
    return write_adapter(
        folder,
        config=adapter_config(
            rank_pattern={r"layers\.2\..*": 32, "v_proj": 4},
            alpha_pattern={r"layers\.2\..*": 64, "v_proj": 8},
        ),
        tensors=lora_tensors(ranks),
    )


def with_base_tokenizer(folder: Path) -> Path:
    """The base's own tokenizer and template beside the weights, as trainers save them."""
    from tests.faults.tiny_base import TEMPLATE, byte_tokenizer

    write_adapter(folder)
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"eos_token": "<|end|>"}')
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


def header_that_begins_like_a_pickle(folder: Path) -> Path:
    """A header of 0x0280 bytes: its length begins with the bytes of a pickle of protocol 2."""
    import json

    from tests.faults.adapters import Tensors, with_header

    tensors: Tensors = lora_tensors({"model.layers.0.self_attn.q_proj": 4})
    write_adapter(
        folder,
        config=adapter_config(r=4, lora_alpha=8, target_modules=["layers.0.self_attn.q_proj"]),
        tensors=tensors,
    )
    header, position, data = {"__metadata__": {"format": "pt"}}, 0, b""
    for name, (dtype, shape, raw) in sorted(tensors.items()):
        header[name] = {
            "dtype": dtype,
            "shape": shape,
            "data_offsets": [position, position + len(raw)],
        }
        position, data = position + len(raw), data + raw
    padded = json.dumps(header).encode().ljust(0x0280)
    (folder / "adapter_model.safetensors").write_bytes(with_header(padded, data))
    return folder


GOOD: dict[str, Make] = {
    **{f"rank {rank}": of_rank(rank) for rank in (4, 8, 16, 32, 64)},
    **{dtype: of_dtype(dtype) for dtype in ("F32", "F16", "BF16")},
    "all linear, listed": all_linear_list,
    "all-linear": all_linear_word,
    "regex targets": regex_targets,
    "layers_to_transform": layers_to_transform,
    "rsLoRA": rslora,
    "rank and alpha patterns": patterns,
    "base tokenizer beside": with_base_tokenizer,
    "header begins like a pickle": header_that_begins_like_a_pickle,
}
