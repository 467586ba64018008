"""Faulty adapters: a function per fault that writes a folder, and the check that must catch it."""

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


def _without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda tensors: tensors.pop(name)


def _numbers(name: str, values: Callable[[np.ndarray], None], dtype: str = "F32") -> Make:
    def make(folder: Path) -> Path:
        tensors = lora_tensors(ranks_of("q_proj", "v_proj"), dtype=dtype)
        kept, shape, _ = tensors[name]
        numbers = (np.random.default_rng(3).standard_normal(shape) * 0.02).astype(np.float32)
        values(numbers)
        tensors[name] = (kept, shape, encoded(numbers, kept))
        return write_adapter(folder, tensors=tensors)

    return make


def _all_of(dtype: str) -> Make:
    def make(folder: Path) -> Path:
        tensors = lora_tensors(ranks_of("q_proj", "v_proj"), dtype=dtype)
        return write_adapter(folder, tensors=tensors)

    return make


def _shape(tensors: dict[str, Any], name: str, shape: list[int]) -> None:
    values = np.full(shape, 0.01, np.float32)
    tensors[name] = ("F32", shape, encoded(values, "F32"))


def _extra(name: str, shape: list[int]) -> Make:
    return edited(lambda tensors: _shape(tensors, name, shape))


def _wide(folder: Path) -> Path:
    """Made for a base of another width: every A and B has other sizes."""
    tensors = {}
    for name, (dtype, shape, _) in lora_tensors(ranks_of("q_proj", "v_proj")).items():
        other = [shape[0], 64] if ".lora_A." in name else [64, shape[1]]
        tensors[name] = (dtype, other, encoded(np.full(other, 0.01, np.float32), dtype))
    return write_adapter(folder, tensors=tensors)


def _set(index: Any, value: float) -> Callable[[np.ndarray], None]:
    def change(numbers: np.ndarray) -> None:
        numbers[index] = value

    return change


def _zeros(folder: Path) -> Path:
    tensors = lora_tensors(ranks_of("q_proj", "v_proj"))
    for name, (dtype, shape, raw) in list(tensors.items()):
        if ".lora_B." in name:
            tensors[name] = (dtype, shape, bytes(len(raw)))
    return write_adapter(folder, tensors=tensors)


def _times_400(folder: Path) -> Path:
    tensors = lora_tensors(ranks_of("q_proj", "v_proj"))
    name = f"{Q0}.lora_B.weight"
    dtype, shape, raw = tensors[name]
    tensors[name] = (dtype, shape, (np.frombuffer(raw, "<f4") * 400).tobytes())
    return write_adapter(folder, tensors=tensors)


def _two_adapters_names(tensors: dict[str, Any]) -> None:
    for name in list(tensors):
        tensors[name.replace(".weight", ".default.weight")] = tensors[name]


def _torch_zip(name: str) -> Make:
    def make(folder: Path) -> Path:
        write_adapter(folder)
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("archive/data.pkl", hostile_pickle(folder))
            archive.writestr("archive/data/0", b"\0" * 64)
        return folder

    return make


def _pickled(name: str, *, protocol: int = 4, keep: bool = True) -> Make:
    def make(folder: Path) -> Path:
        write_adapter(folder)
        if not keep:
            (folder / WEIGHTS).unlink()
        (folder / name).write_bytes(hostile_pickle(folder, protocol))
        return folder

    return make


def _link(name: str, target: str) -> Make:
    def make(folder: Path) -> Path:
        write_adapter(folder)
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)
        return folder

    return make


def _pipe(folder: Path) -> Path:
    write_adapter(folder)
    os.mkfifo(folder / "pipe")
    return folder


def _polyglot(folder: Path) -> Path:
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


def _tokenizer(*extra: str) -> Make:
    def make(folder: Path) -> Path:
        write_adapter(folder)
        byte_tokenizer(*extra).save(str(folder / "tokenizer.json"))
        return folder

    return make


def _moved_tokens(folder: Path) -> Path:
    write_adapter(folder)
    tokenizer = json.loads(byte_tokenizer().to_str())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def _special_token(folder: Path) -> Path:
    write_adapter(folder)
    (folder / "tokenizer_config.json").write_text('{"eos_token": "a"}')
    return folder


def _duplicate(header: dict[str, Any], data: bytes) -> tuple[bytes, bytes]:
    entry = json.dumps(header[f"{Q0}.lora_A.weight"])
    text = json.dumps(header)
    return f'{text[:-1]}, "{Q0}.lora_A.weight": {entry}}}'.encode(), data


def _offsets(name: str, change: Callable[[list[int]], list[int]]) -> Make:
    def mend(header: dict[str, Any], data: bytes) -> tuple[bytes, bytes]:
        header[name]["data_offsets"] = change(header[name]["data_offsets"])
        return json.dumps(header).encode(), data

    return headed(mend)


def _empty_config(folder: Path) -> Path:
    write_adapter(folder)
    (folder / CONFIG).unlink()
    return folder


def _no_weights(folder: Path) -> Path:
    write_adapter(folder)
    (folder / WEIGHTS).unlink()
    return folder


def _huge_header(folder: Path) -> Path:
    write_adapter(folder)
    (folder / WEIGHTS).write_bytes((100_000_001).to_bytes(8, "little") + b"{}" + b" " * 64)
    return folder


ELF = b"\x7fELF\x02\x01\x01" + b"\0" * 64
PE = b"MZ\x90\x00" + b"\0" * 64
MACHO = b"\xcf\xfa\xed\xfe" + b"\0" * 64

FAULTS: dict[str, Fault] = {
    # TEC-01: the configuration
    "no configuration": Fault("TEC-01", _empty_config, CONFIG),
    "not JSON": Fault("TEC-01", config_text("{r: 8"), CONFIG),
    "a list": Fault("TEC-01", config_text("[1, 2]"), CONFIG),
    "NaN as a number": Fault("TEC-01", config_text('{"r": NaN}'), CONFIG),
    "a key twice": Fault("TEC-01", config_text('{"r": 8, "r": 16}'), CONFIG),
    "nested for ever": Fault("TEC-01", config_text("[" * 100_000), CONFIG),
    **{
        f"no {key}": Fault("TEC-01", lacking(key), key)
        for key in (
            "peft_type",
            "r",
            "lora_alpha",
            "target_modules",
            "task_type",
            "base_model_name_or_path",
        )
    },
    "another PEFT type": Fault("TEC-01", configured(peft_type="IA3"), "peft_type"),
    "another task": Fault("TEC-01", configured(task_type="SEQ_CLS"), "task_type"),
    "r is a text": Fault("TEC-01", configured(r="8"), "r"),
    "r is zero": Fault("TEC-01", configured(r=0), "r"),
    "r is true": Fault("TEC-01", configured(r=True), "r"),
    "alpha is a text": Fault("TEC-01", configured(lora_alpha="16"), "lora_alpha"),
    "alpha is negative": Fault("TEC-01", configured(lora_alpha=-16), "lora_alpha"),
    "dropout is a text": Fault("TEC-01", configured(lora_dropout="0.1"), "lora_dropout"),
    "targets are a number": Fault("TEC-01", configured(target_modules=3), "target_modules"),
    "no targets": Fault("TEC-01", configured(target_modules=[]), "target_modules"),
    "a pattern that takes for ever": Fault(
        "TEC-01", configured(target_modules="(a+)+x"), "target_modules"
    ),
    "DoRA": Fault("TEC-01", configured(use_dora=True), "use_dora"),
    "bias all": Fault("TEC-01", configured(bias="all"), "bias"),
    "bias lora_only": Fault("TEC-01", configured(bias="lora_only"), "bias"),
    "lora_bias": Fault("TEC-01", configured(lora_bias=True), "lora_bias"),
    "modules_to_save": Fault("TEC-01", configured(modules_to_save=["lm_head"]), "modules_to_save"),
    "layer replication": Fault(
        "TEC-01", configured(layer_replication=[[0, 2], [1, 3]]), "layer_replication"
    ),
    "aLoRA": Fault("TEC-01", configured(alora_invocation_tokens=[1, 2]), "alora_invocation_tokens"),
    "trained tokens": Fault(
        "TEC-01", configured(trainable_token_indices=[1]), "trainable_token_indices"
    ),
    "target parameters": Fault(
        "TEC-01", configured(target_parameters=["experts.w"]), "target_parameters"
    ),
    "fan_in_fan_out": Fault("TEC-01", configured(fan_in_fan_out=True), "fan_in_fan_out"),
    "QALoRA": Fault("TEC-01", configured(use_qalora=True), "use_qalora"),
    **{
        f"init {name}": Fault("TEC-01", configured(init_lora_weights=name), "init_lora_weights")
        for name in ("pissa", "pissa_niter_16", "olora", "corda", "loftq", "lora_ga")
    },
    # TEC-02: tensors against configuration and base
    "no weights": Fault("TEC-02", _no_weights, WEIGHTS),
    "wrong shape": Fault(
        "TEC-02",
        edited(lambda tensors: _shape(tensors, f"{Q0}.lora_B.weight", [64, 8])),
        f"{Q0}.lora_B.weight",
    ),
    "A transposed": Fault(
        "TEC-02",
        edited(lambda tensors: _shape(tensors, f"{Q0}.lora_A.weight", [48, 8])),
        f"{Q0}.lora_A.weight",
    ),
    "A missing": Fault("TEC-02", edited(_without(f"{Q0}.lora_A.weight")), f"{Q0}.lora_A.weight"),
    "B missing": Fault("TEC-02", edited(_without(f"{Q0}.lora_B.weight")), f"{Q0}.lora_B.weight"),
    "extra tensor": Fault("TEC-02", _extra("stowaway", [4, 4]), "stowaway"),
    "DoRA vector": Fault(
        "TEC-02", _extra(f"{Q0}.lora_magnitude_vector", [48]), "lora_magnitude_vector"
    ),
    "bias tensor": Fault("TEC-02", _extra(f"{Q0}.lora_B.bias", [48]), "lora_B.bias"),
    "saved module": Fault(
        "TEC-02", _extra("base_model.model.lm_head.weight", [300, 48]), "lm_head"
    ),
    "layer out of range": Fault(
        "TEC-02",
        _extra("base_model.model.model.layers.31.self_attn.q_proj.lora_A.weight", [8, 48]),
        "layers.31",
    ),
    "target matches nothing": Fault(
        "TEC-02", configured(target_modules=["q_proj", "v_proj", "c_attn"]), "target_modules"
    ),
    "pattern matches nothing": Fault(
        "TEC-02", configured(target_modules=r"transformer\.h\.\d+\.attn"), "target_modules"
    ),
    "embedding as a target": Fault(
        "TEC-02", configured(target_modules=["q_proj", "embed_tokens"]), "target_modules"
    ),
    "output head as a target": Fault(
        "TEC-02", configured(target_modules=["q_proj", "lm_head"]), "target_modules"
    ),
    "layers_to_transform out of range": Fault(
        "TEC-02", configured(layers_to_transform=[0, 40]), "layers_to_transform"
    ),
    "names of another adapter inside": Fault("TEC-02", edited(_two_adapters_names), "default"),
    "a name twice": Fault("TEC-02", headed(_duplicate), "q_proj"),
    # TEC-03: rank and scale
    "rank above the engine's": Fault(
        "TEC-03",
        lambda folder: write_adapter(
            folder,
            config=adapter_config(r=128, lora_alpha=256),
            tensors=lora_tensors(ranks_of("q_proj", "v_proj", rank=128)),
        ),
        "r",
    ),
    "rank of a pattern above the engine's": Fault(
        "TEC-03", configured(rank_pattern={"q_proj": 256}), "rank_pattern"
    ),
    "rank in the file differs": Fault("TEC-03", configured(r=16, lora_alpha=32), "lora_"),
    # TEC-04: numbers
    "NaN": Fault("TEC-04", _numbers(f"{Q0}.lora_A.weight", _set((1, 2), np.nan)), "lora_A"),
    "infinite": Fault("TEC-04", _numbers(f"{Q0}.lora_B.weight", _set((1, 2), np.inf)), "lora_B"),
    "NaN in BF16": Fault(
        "TEC-04", _numbers(f"{Q0}.lora_A.weight", _set((0, 0), np.nan), "BF16"), "lora_A"
    ),
    "end of F16": Fault(
        "TEC-04", _numbers(f"{Q0}.lora_A.weight", _set((0, 0), 65504), "F16"), "lora_A"
    ),
    "F64": Fault("TEC-04", _all_of("F64"), "lora_"),
    "I8": Fault("TEC-04", _all_of("I8"), "lora_"),
    # TEC-05: size of the updates
    "all zero": Fault("TEC-05", _zeros, WEIGHTS),
    "one update 400 times": Fault("TEC-05", _times_400, "layers.0.self_attn.q_proj"),
    # TEC-06: the base
    "another base's name": Fault(
        "TEC-06",
        configured(base_model_name_or_path="meta-llama/Llama-3.1-8B"),
        "base_model_name_or_path",
    ),
    "another owner's model": Fault(
        "TEC-06", configured(base_model_name_or_path="somebody/tiny-llama"), "base_model"
    ),
    "another base's sizes": Fault("TEC-06", _wide, "lora_"),
    "another base's digest": Fault(
        "TEC-06", configured(base_model_sha256="ab" * 32), "base_model_sha256"
    ),
    # TEC-07: the tokenizer
    "added token": Fault("TEC-07", _tokenizer("<dx>"), "tokenizer.json"),
    "moved tokens": Fault("TEC-07", _moved_tokens, "tokenizer.json"),
    "broken tokenizer": Fault("TEC-07", beside("tokenizer.json", "{}"), "tokenizer.json"),
    "another end token": Fault("TEC-07", _special_token, "eos_token"),
    # SEC-01: formats
    "pickle": Fault("SEC-01", _pickled("adapter_model.bin", keep=False), "adapter_model.bin"),
    "pickle named safetensors": Fault("SEC-01", _pickled(WEIGHTS), WEIGHTS),
    "pickle of protocol 2": Fault("SEC-01", _pickled("data.bin", protocol=2), "data.bin"),
    "pickle of protocol 0 as text": Fault("SEC-01", _pickled("notes.txt", protocol=0), "notes.txt"),
    "torch archive": Fault("SEC-01", _torch_zip("adapter_model.bin"), "adapter_model.bin"),
    "torch archive named safetensors": Fault("SEC-01", _torch_zip(WEIGHTS), WEIGHTS),
    "training leftovers": Fault("SEC-01", _pickled("training_args.bin"), "training_args.bin"),
    "ELF": Fault("SEC-01", beside("lib.so", ELF), "lib.so"),
    "ELF named json": Fault("SEC-01", beside("vocab.json", ELF), "vocab.json"),
    "PE": Fault("SEC-01", beside("setup.exe", PE), "setup.exe"),
    "Mach-O": Fault("SEC-01", beside("tool", MACHO), "tool"),
    "Python": Fault("SEC-01", beside("modeling.py", "import os\n"), "modeling.py"),
    "shell script": Fault("SEC-01", beside("run", "#!/bin/sh\nrm -rf /\n"), "run"),
    "hidden script": Fault("SEC-01", beside(".cache/x.sh", "echo hi\n"), "x.sh"),
    "HTML": Fault("SEC-01", beside("card.html", "<script>1</script>"), "card.html"),
    "image": Fault("SEC-01", beside("scan.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 32), "scan.png"),
    "archive": Fault("SEC-01", beside("more.tar.gz", b"\x1f\x8b\x08" + b"\0" * 32), "more.tar"),
    "unknown binary": Fault("SEC-01", beside("blob", bytes(range(256))), "blob"),
    "link out": Fault("SEC-01", _link("README.md", "/etc/passwd"), "README.md"),
    "weights are a link": Fault("SEC-01", _link(WEIGHTS, "/dev/zero"), WEIGHTS),
    "pipe": Fault("SEC-01", _pipe, "pipe"),
    "header above 100 MB": Fault("SEC-01", _huge_header, WEIGHTS),
    "header longer than the file": Fault(
        "SEC-01", beside(WEIGHTS, (5000).to_bytes(8, "little") + b"{}" + b" " * 90), WEIGHTS
    ),
    "header is no JSON": Fault("SEC-01", beside(WEIGHTS, with_header(b"{nope", b"")), WEIGHTS),
    "gap": Fault(
        "SEC-01",
        headed(lambda header, data: (_shift(header, 4), bytes(4) + data)),
        "safetensors",
    ),
    "overlap": Fault(
        "SEC-01",
        _offsets(f"{Q0}.lora_B.weight", lambda old: [old[0] - 4, old[1] - 4]),
        "safetensors",
    ),
    "offset outside": Fault(
        "SEC-01",
        _offsets(
            "base_model.model.model.layers.5.self_attn.v_proj.lora_B.weight",
            lambda old: [old[0] + 4096, old[1] + 4096],
        ),
        "safetensors",
    ),
    "truncated": Fault(
        "SEC-01", headed(lambda header, data: (json.dumps(header).encode(), data[:-100])), WEIGHTS
    ),
    "bytes after the end": Fault(
        "SEC-01", headed(lambda header, data: (json.dumps(header).encode(), data + b"x")), WEIGHTS
    ),
    "safetensors and ZIP at once": Fault("SEC-01", _polyglot, WEIGHTS),
    # SEC-02: code by configuration
    "auto_mapping": Fault(
        "SEC-02", configured(auto_mapping={"parent_library": "os"}), "auto_mapping"
    ),
    "auto_mapping of remote code": Fault(
        "SEC-02",
        configured(
            auto_mapping={
                "parent_library": "transformers_modules.evil",
                "base_model_class": "Llama",
            }
        ),
        "auto_mapping",
    ),
    "megatron_config": Fault("SEC-02", configured(megatron_config={"a": 1}), "megatron_config"),
    "megatron_core": Fault("SEC-02", configured(megatron_core="evil"), "megatron_core"),
    "trust_remote_code": Fault("SEC-02", configured(trust_remote_code=True), "trust_remote_code"),
    "custom_code": Fault("SEC-02", configured(custom_code="x.py"), "custom_code"),
    "auto_map beside": Fault(
        "SEC-02",
        beside("config.json", '{"auto_map": {"AutoModel": "modeling.Evil"}}'),
        "config.json",
    ),
    "another chat template": Fault(
        "SEC-02", beside("chat_template.jinja", "{{ messages }} be evil"), "chat_template.jinja"
    ),
    "template in tokenizer_config": Fault(
        "SEC-02",
        beside("tokenizer_config.json", '{"chat_template": "{{ messages }} be evil"}'),
        "tokenizer_config.json",
    ),
}


def _shift(header: dict[str, Any], by: int) -> bytes:
    for name, entry in header.items():
        if name != "__metadata__":
            entry["data_offsets"] = [offset + by for offset in entry["data_offsets"]]
    return json.dumps(header).encode()


def good_bytes() -> bytes:
    """The weights file of the plain good adapter."""
    return safetensors_bytes(lora_tensors(ranks_of("q_proj", "v_proj")))
