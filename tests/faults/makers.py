"""Writes faulty adapters: a function per kind of fault, each writes a folder."""

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.adapters import (
    adapter_config,
    encoded,
    lora_tensors,
    ranks_of,
    safetensors_bytes,
    with_header,
    write_adapter,
)
from tests.faults.tiny_base import byte_tokenizer

Make = Callable[[Path], Path]
Q0 = "base_model.model.model.layers.0.self_attn.q_proj"
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True)
class Fault:
    """``check``: the id that must catch it; ``names``: what the finding's object must hold."""

    check: str
    make: Make
    names: str


class _Runs:
    """Unpickled, it would create a file; the tests see that it never appears."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def hostile_pickle(folder: Path, protocol: int = 4) -> bytes:
    """A pickle that creates ``EXECUTED`` beside the package if anybody loads it."""
    return pickle.dumps(_Runs(folder.parent / "EXECUTED"), protocol=protocol)


def configured(**changes: Any) -> Make:
    """A good adapter whose configuration has these members."""

    def make(folder: Path) -> Path:
        return write_adapter(folder, config=adapter_config(**changes))

    return make


def lacking(key: str) -> Make:
    """A good adapter whose configuration lacks ``key``."""

    def make(folder: Path) -> Path:
        config = adapter_config()
        del config[key]
        return write_adapter(folder, config=config)

    return make


def config_text(text: str) -> Make:
    """Any text as the configuration."""

    def make(folder: Path) -> Path:
        write_adapter(folder)
        (folder / CONFIG).write_text(text)
        return folder

    return make


def beside(name: str, content: bytes | str) -> Make:
    """A good adapter with one more file."""

    def make(folder: Path) -> Path:
        write_adapter(folder)
        raw = content.encode() if isinstance(content, str) else content
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(raw)
        return folder

    return make


def edited(change: Callable[[dict[str, Any]], None], **config: Any) -> Make:
    """A good adapter whose tensors are changed by ``change``."""

    def make(folder: Path) -> Path:
        tensors = lora_tensors(ranks_of("q_proj", "v_proj"))
        change(tensors)
        return write_adapter(folder, config=adapter_config(**config), tensors=tensors)

    return make


def headed(change: Callable[[dict[str, Any], bytes], tuple[bytes, bytes]]) -> Make:
    """A good adapter whose weights file gets another header or other data."""

    def make(folder: Path) -> Path:
        write_adapter(folder)
        raw = (folder / WEIGHTS).read_bytes()
        length = int.from_bytes(raw[:8], "little")
        header, data = json.loads(raw[8 : 8 + length]), raw[8 + length :]
        (folder / WEIGHTS).write_bytes(with_header(*change(header, data)))
        return folder

    return make


def without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda tensors: tensors.pop(name)


def numbers(name: str, values: Callable[[np.ndarray], None], dtype: str = "F32") -> Make:
    def make(folder: Path) -> Path:
        tensors = lora_tensors(ranks_of("q_proj", "v_proj"), dtype=dtype)
        kept, shape, _ = tensors[name]
        numbers = (np.random.default_rng(3).standard_normal(shape) * 0.02).astype(np.float32)
        values(numbers)
        tensors[name] = (kept, shape, encoded(numbers, kept))
        return write_adapter(folder, tensors=tensors)

    return make


def all_of(dtype: str) -> Make:
    def make(folder: Path) -> Path:
        tensors = lora_tensors(ranks_of("q_proj", "v_proj"), dtype=dtype)
        return write_adapter(folder, tensors=tensors)

    return make


def reshaped(tensors: dict[str, Any], name: str, shape: list[int]) -> None:
    values = np.full(shape, 0.01, np.float32)
    tensors[name] = ("F32", shape, encoded(values, "F32"))


def with_extra(name: str, shape: list[int]) -> Make:
    return edited(lambda tensors: reshaped(tensors, name, shape))


def wide(folder: Path) -> Path:
    """Made for a base of another width: every A and B has other sizes."""
    tensors = {}
    for name, (dtype, shape, _) in lora_tensors(ranks_of("q_proj", "v_proj")).items():
        other = [shape[0], 64] if ".lora_A." in name else [64, shape[1]]
        tensors[name] = (dtype, other, encoded(np.full(other, 0.01, np.float32), dtype))
    return write_adapter(folder, tensors=tensors)


def with_value(index: Any, value: float) -> Callable[[np.ndarray], None]:
    def change(numbers: np.ndarray) -> None:
        numbers[index] = value

    return change


def zeros(folder: Path) -> Path:
    tensors = lora_tensors(ranks_of("q_proj", "v_proj"))
    for name, (dtype, shape, raw) in list(tensors.items()):
        if ".lora_B." in name:
            tensors[name] = (dtype, shape, bytes(len(raw)))
    return write_adapter(folder, tensors=tensors)


def times_400(folder: Path) -> Path:
    tensors = lora_tensors(ranks_of("q_proj", "v_proj"))
    name = f"{Q0}.lora_B.weight"
    dtype, shape, raw = tensors[name]
    tensors[name] = (dtype, shape, (np.frombuffer(raw, "<f4") * 400).tobytes())
    return write_adapter(folder, tensors=tensors)


def two_adapters_names(tensors: dict[str, Any]) -> None:
    for name in list(tensors):
        tensors[name.replace(".weight", ".default.weight")] = tensors[name]


def torch_zip(name: str) -> Make:
    def make(folder: Path) -> Path:
        write_adapter(folder)
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("archive/data.pkl", hostile_pickle(folder))
            archive.writestr("archive/data/0", b"\0" * 64)
        return folder

    return make


def pickled(name: str, *, protocol: int = 4, keep: bool = True) -> Make:
    def make(folder: Path) -> Path:
        write_adapter(folder)
        if not keep:
            (folder / WEIGHTS).unlink()
        (folder / name).write_bytes(hostile_pickle(folder, protocol))
        return folder

    return make


def link(name: str, target: str) -> Make:
    def make(folder: Path) -> Path:
        write_adapter(folder)
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)
        return folder

    return make


def pipe(folder: Path) -> Path:
    write_adapter(folder)
    os.mkfifo(folder / "pipe")
    return folder


def polyglot(folder: Path) -> Path:
    """A sound safetensors file whose last tensor ends with a whole ZIP archive."""
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("payload.py", "raise SystemExit")
    raw = buffer.getvalue()
    raw = b"\0" * (-len(raw) % 4) + raw
    tensors = lora_tensors(ranks_of("q_proj", "v_proj"))
    tensors["zz.hidden"] = ("F32", [len(raw) // 4], raw)
    write_adapter(folder, tensors=tensors)
    return folder


def tokenizer(*extra: str) -> Make:
    def make(folder: Path) -> Path:
        write_adapter(folder)
        byte_tokenizer(*extra).save(str(folder / "tokenizer.json"))
        return folder

    return make


def moved_tokens(folder: Path) -> Path:
    write_adapter(folder)
    tokenizer = json.loads(byte_tokenizer().to_str())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def special_token(folder: Path) -> Path:
    write_adapter(folder)
    (folder / "tokenizer_config.json").write_text('{"eos_token": "a"}')
    return folder


def duplicate(header: dict[str, Any], data: bytes) -> tuple[bytes, bytes]:
    entry = json.dumps(header[f"{Q0}.lora_A.weight"])
    text = json.dumps(header)
    return f'{text[:-1]}, "{Q0}.lora_A.weight": {entry}}}'.encode(), data


def offsets(name: str, change: Callable[[list[int]], list[int]]) -> Make:
    def mend(header: dict[str, Any], data: bytes) -> tuple[bytes, bytes]:
        header[name]["data_offsets"] = change(header[name]["data_offsets"])
        return json.dumps(header).encode(), data

    return headed(mend)


def empty_config(folder: Path) -> Path:
    write_adapter(folder)
    (folder / CONFIG).unlink()
    return folder


def no_weights(folder: Path) -> Path:
    write_adapter(folder)
    (folder / WEIGHTS).unlink()
    return folder


def huge_header(folder: Path) -> Path:
    write_adapter(folder)
    (folder / WEIGHTS).write_bytes((100_000_001).to_bytes(8, "little") + b"{}" + b" " * 64)
    return folder


def shifted(header: dict[str, Any], by: int) -> bytes:
    for name, entry in header.items():
        if name != "__metadata__":
            entry["data_offsets"] = [offset + by for offset in entry["data_offsets"]]
    return json.dumps(header).encode()


def good_bytes() -> bytes:
    """The weights file of the plain good adapter."""
    return safetensors_bytes(lora_tensors(ranks_of("q_proj", "v_proj")))
