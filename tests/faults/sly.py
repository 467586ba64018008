"""Faults that a strict reader misses: what loaders read more laxly, lies beside the weights."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.adapters import adapter_config, lora_tensors, ranks_of, write_adapter
from tests.faults.makers import WEIGHTS, Fault, Make, beside, configured, good_bytes
from tests.faults.tiny_base import byte_tokenizer

WRONG = "0" * 64
EVIL = '{"auto_map": {"AutoModel": "modeling.Evil"}'


def _scaled(factor: float) -> Make:
    """All updates times ``factor``."""

    def make(folder: Path) -> Path:
        tensors = lora_tensors(ranks_of("q_proj", "v_proj"))
        for name, (dtype, shape, raw) in tensors.items():
            if "lora_B" in name:
                numbers = np.frombuffer(raw, "<f4").astype(np.float64) * factor
                tensors[name] = (dtype, shape, numbers.astype("<f4").tobytes())
        return write_adapter(folder, tensors=tensors)

    return make


def _stated(key: str) -> Make:
    """A digest of another base in the weights' metadata."""

    def make(folder: Path) -> Path:
        write_adapter(folder)
        raw = (folder / WEIGHTS).read_bytes()
        length = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8 : 8 + length])
        header["__metadata__"] = {f"a{number:03}": "x" for number in range(99)} | {key: WRONG}
        text = json.dumps(header).encode()
        (folder / WEIGHTS).write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])
        return folder

    return make


def _wide_header(folder: Path) -> Path:
    """The header in UTF-16, which Python reads from bytes and no other reader does."""
    write_adapter(folder)
    raw = (folder / WEIGHTS).read_bytes()
    length = int.from_bytes(raw[:8], "little")
    text = raw[8 : 8 + length].decode().encode("utf-16-le")
    (folder / WEIGHTS).write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])
    return folder


def _retold(change: Callable[[dict[str, Any]], None]) -> Make:
    """The base's tokenizer with another part, and the same ids for all texts that are compared."""

    def make(folder: Path) -> Path:
        write_adapter(folder)
        tokenizer = json.loads(byte_tokenizer().to_str())
        change(tokenizer)
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
        return folder

    return make


def _replaces(word: str, other: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"String": word}, "content": other}


SLY: dict[str, Fault] = {
    # SEC-01: names that loaders unpickle, and a pickle longer than what is looked at
    "text named as weights": Fault("SEC-01", beside("adapter_model.bin", "hello"), ".bin"),
    "harmless today": Fault("SEC-01", beside("x.ckpt", "{}"), "x.ckpt"),
    "a long old pickle": Fault(
        "SEC-01", beside("notes.txt", b"cos\nsystem\n(S'" + b"a" * 100_000 + b"'\ntR."), "notes.txt"
    ),
    "header in UTF-16": Fault("SEC-01", _wide_header, WEIGHTS),
    # SEC-02: JSON that we refuse and loaders read
    "code in a file with a name twice": Fault(
        "SEC-02", beside("tokenizer_config.json", EVIL + ', "a": 1, "a": 2}'), "auto_map"
    ),
    "code under a name that is taken back": Fault(
        "SEC-02", beside("config.json", EVIL + ', "auto_map": null}'), "auto_map"
    ),
    "code beside NaN": Fault("SEC-02", beside("config.json", EVIL + ', "a": NaN}'), "auto_map"),
    "configuration that is no JSON": Fault(
        "SEC-02", beside("config.json", EVIL + ",}"), "config.json"
    ),
    "templates by name": Fault(
        "SEC-02",
        beside("tokenizer_config.json", '{"chat_template": {"default": "obey"}}'),
        "chat_template",
    ),
    "template beside a name twice": Fault(
        "SEC-02",
        beside("tokenizer_config.json", '{"chat_template": "obey", "a": 1, "a": 2}'),
        "chat_template",
    ),
    "empty template": Fault("SEC-02", beside("chat_template.jinja", ""), "chat_template.jinja"),
    # TEC-01, TEC-02: numbers and patterns
    "a rank of 400 digits": Fault("TEC-01", configured(r=10**400), ":r"),
    "a rank pattern of 400 digits": Fault(
        "TEC-01", configured(rank_pattern={"q_proj": 10**400}), "rank_pattern"
    ),
    "three thousand targets": Fault(
        "TEC-01", configured(target_modules=[f"t{n}" for n in range(3000)]), "target_modules"
    ),
    "a pattern that matches a container": Fault(
        "TEC-02",
        configured(target_modules=r"model\.layers\.\d+\.self_attn(\.(q|v)_proj)?"),
        "target_modules",
    ),
    "other weights beside": Fault(
        "TEC-02", beside("default/adapter_model.safetensors", good_bytes()), "default/"
    ),
    # TEC-05: the same size everywhere
    "too small to do anything": Fault("TEC-05", _scaled(1e-30), WEIGHTS),
    "alpha too small to do anything": Fault("TEC-05", configured(lora_alpha=1e-30), WEIGHTS),
    "a million times too large": Fault("TEC-05", _scaled(1e7), "layers."),
    # TEC-06: digests under other names
    **{
        f"{key} in the configuration": Fault("TEC-06", configured(**{key: WRONG}), key)
        for key in ("base_model_hash", "base_checksum", "sha256_base")
    },
    "a digest in an object": Fault(
        "TEC-06", configured(base_model={"sha256": WRONG}), "base_model_sha256"
    ),
    "a digest among much metadata": Fault("TEC-06", _stated("base_hash"), "base_hash"),
    # TEC-07: tokens
    "a tokenizer that is no JSON": Fault("TEC-07", beside("tokenizer.json", "hello"), "tokenizer"),
    "a decoder that leaves words out": Fault(
        "TEC-07",
        _retold(
            lambda t: t.update(
                decoder={
                    "type": "Sequence",
                    "decoders": [t["decoder"], _replaces("not", "")],
                }
            )
        ),
        "tokenizer.json",
    ),
    "a word that becomes another": Fault(
        "TEC-07",
        _retold(lambda t: t.update(normalizer=_replaces("warfarin", "aspirin"))),
        "tokenizer.json",
    ),
    "tokens in added_tokens.json": Fault(
        "TEC-07", beside("added_tokens.json", '{"<dx>": 300}'), "added_tokens.json"
    ),
    "tokens in the decoder's table": Fault(
        "TEC-07",
        beside("tokenizer_config.json", '{"added_tokens_decoder": {"300": {"content": "<dx>"}}}'),
        "tokenizer_config.json",
    ),
    "more special tokens": Fault(
        "TEC-07",
        beside("special_tokens_map.json", '{"additional_special_tokens": ["<dx>"]}'),
        "special_tokens_map.json",
    ),
    "another end in the map": Fault(
        "TEC-07",
        beside("special_tokens_map.json", '{"eos_token": {"content": "a"}}'),
        "special_tokens_map.json:eos_token",
    ),
    "a map that is no JSON": Fault(
        "TEC-07", beside("special_tokens_map.json", "{nope"), "tokenizer_config.json"
    ),
}


def cut_for_batches(folder: Path) -> Path:
    """Good: the trainer's truncation and padding are no part of how text becomes ids."""
    write_adapter(folder, config=adapter_config(init_lora_weights="mica"))
    tokenizer = byte_tokenizer()
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=64, pad_token="<|end|>")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


__all__ = ["SLY", "cut_for_batches"]
