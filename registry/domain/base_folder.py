"""What a base model's folder is: its digest, module shapes and tokenizer facts, without weights."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from config.core.digests import manifest_digest, sha256_file, sha256_hex
from config.core.errors import DomainError, ErrorKind
from registry.domain.safetensors_header import HeaderInvalid, TensorInfo, read_header

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
CHAT_TEMPLATE = "chat_template.jinja"
GENERATION_CONFIG = "generation_config.json"
REQUIRED_FILES = (CONFIG, TOKENIZER, TOKENIZER_CONFIG)
OPTIONAL_FILES = (CHAT_TEMPLATE, GENERATION_CONFIG)
SPECIAL_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token")


class BaseFolderInvalid(DomainError):
    """The folder does not hold a base model that can be read."""

    code = "base-folder-invalid"
    title = "The folder is not a base model"
    kind = ErrorKind.UNPROCESSABLE


@dataclass(frozen=True, slots=True)
class BaseFacts:
    """One exact base model. ``shapes``: module path → (out_features, in_features).

    ``digest`` is the manifest digest over config, tokenizer, chat template, generation config and
    all safetensors files; it is what "the same base" means everywhere.
    """

    digest: str
    architecture: str
    config: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, int]]
    vocab_size: int
    embedding_rows: int
    special_token_ids: Mapping[str, int | None]
    eos_token_ids: tuple[int, ...]
    weights_sha256: str
    tokenizer_sha256: str
    chat_template_sha256: str | None
    weights_size_bytes: int

    def as_json(self) -> dict[str, Any]:
        """Plain data for a JSON column; ``from_json`` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The facts that ``as_json`` wrote."""
        values = dict(data)
        values["shapes"] = {name: (out, inn) for name, (out, inn) in data["shapes"].items()}
        values["eos_token_ids"] = tuple(data["eos_token_ids"])
        return cls(**values)


def base_facts(path: Path, *, trust_cache: bool = True) -> BaseFacts:
    """Read the facts of the base model in the folder ``path``.

    Digests of files whose size and modification time are unchanged come from a small file beside
    the folder, unless ``trust_cache`` is false: then every byte is hashed.

    Raises:
        BaseFolderInvalid: files are missing or unreadable, or hold no causal language model.
    """
    weights = sorted(path.glob("*.safetensors"))
    missing = [name for name in REQUIRED_FILES if not (path / name).is_file()]
    if missing or not weights:
        what = ", ".join(missing) or "*.safetensors"
        raise BaseFolderInvalid(
            f"{path} lacks {what}",
            fix="Save model and tokenizer with save_pretrained(folder) into one folder.",
        )
    names = [*REQUIRED_FILES, *(name for name in OPTIONAL_FILES if (path / name).is_file())]
    files = [*(path / name for name in names), *weights]
    hashes = _hash_files(path, files, trust_cache=trust_cache)
    config = _read_json(path / CONFIG)
    tokenizer_config = _read_json(path / TOKENIZER_CONFIG)
    try:
        vocabulary, added = _vocabulary(_read_json(path / TOKENIZER))
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise BaseFolderInvalid(
            f"{path / TOKENIZER} is no tokenizer of the tokenizers library",
            fix="Save the tokenizer with save_pretrained(folder) into the same folder.",
        ) from error
    architectures = config.get("architectures")
    shapes = _module_shapes(weights, tied=bool(config.get("tie_word_embeddings")))
    special = {key: _token_id(tokenizer_config.get(key), vocabulary) for key in SPECIAL_TOKENS}
    rows = [(file.name, hashes[file.name], file.stat().st_size) for file in files]
    weight_rows = rows[len(names) :]
    return BaseFacts(
        digest=manifest_digest(rows),
        architecture=str(architectures[0])
        if architectures and isinstance(architectures, list)
        else "unknown",
        config=config,
        shapes=shapes,
        vocab_size=len(vocabulary | added),
        embedding_rows=_embedding_rows(shapes, config),
        special_token_ids=special,
        eos_token_ids=_eos_ids(path, config, special),
        weights_sha256=weight_rows[0][1] if len(weights) == 1 else manifest_digest(weight_rows),
        tokenizer_sha256=hashes[TOKENIZER],
        chat_template_sha256=_template_sha256(hashes, tokenizer_config),
        weights_size_bytes=sum(size for _, _, size in weight_rows),
    )


def _hash_files(folder: Path, files: list[Path], *, trust_cache: bool) -> dict[str, str]:
    cache_path = folder.with_name(f".{folder.name}.digests.json")
    known = _read_cache(cache_path) if trust_cache else {}
    found: dict[str, dict[str, Any]] = {}
    for file in files:
        stat = file.stat()
        mark = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
        entry = known.get(file.name)
        if entry is None or entry.get("mark") != mark:
            entry = {"mark": mark, "sha256": sha256_file(file)}
        found[file.name] = entry
    if found != known:
        _write_cache(cache_path, found)
    return {name: entry["sha256"] for name, entry in found.items()}


def _read_cache(path: Path) -> dict[str, Any]:
    try:
        cache = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return cache if isinstance(cache, dict) else {}


def _write_cache(path: Path, cache: Mapping[str, Any]) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        beside.write_text(json.dumps(cache))
        beside.replace(path)
    except OSError:
        return  # a base on a read-only volume is hashed at every start


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BaseFolderInvalid(f"{path} is not readable JSON", fix="Copy the folder anew.") from (
            error
        )
    if not isinstance(data, dict):
        raise BaseFolderInvalid(f"{path} holds no JSON object", fix="Copy the folder anew.")
    return data


def _module_shapes(weights: list[Path], *, tied: bool) -> dict[str, tuple[int, int]]:
    tensors: dict[str, TensorInfo] = {}
    for file in weights:
        with file.open("rb") as stream:
            try:
                header = read_header(stream, size_bytes=file.stat().st_size)
            except HeaderInvalid as error:
                raise BaseFolderInvalid(f"{file}: {error.message}", fix=error.fix) from error
        tensors.update(header.tensors)
    shapes = {
        name.removesuffix(".weight"): (info.shape[0], info.shape[1])
        for name, info in sorted(tensors.items())
        if name.endswith(".weight") and len(info.shape) == 2
    }
    embedding = shapes.get("model.embed_tokens")
    if tied and embedding:
        shapes.setdefault("lm_head", embedding)
    return shapes


def _embedding_rows(shapes: Mapping[str, tuple[int, int]], config: Mapping[str, Any]) -> int:
    embedding = shapes.get("model.embed_tokens")
    return embedding[0] if embedding else int(config.get("vocab_size", 0))


def _vocabulary(tokenizer: Mapping[str, Any]) -> tuple[dict[str, int], dict[str, int]]:
    vocabulary = tokenizer.get("model", {}).get("vocab", {})
    if isinstance(vocabulary, list):  # a unigram model lists [token, score]
        vocabulary = {entry[0]: index for index, entry in enumerate(vocabulary)}
    added = {entry["content"]: entry["id"] for entry in tokenizer.get("added_tokens", [])}
    return {**vocabulary, **added}, added


def _token_id(token: Any, vocabulary: Mapping[str, int]) -> int | None:
    content = token.get("content") if isinstance(token, dict) else token
    return vocabulary.get(content) if isinstance(content, str) else None


def _eos_ids(
    path: Path, config: Mapping[str, Any], special: Mapping[str, int | None]
) -> tuple[int, ...]:
    sources: list[Any] = [config.get("eos_token_id"), special.get("eos_token")]
    if (path / GENERATION_CONFIG).is_file():
        sources.append(_read_json(path / GENERATION_CONFIG).get("eos_token_id"))
    ids: set[int] = set()
    for value in sources:
        ids.update(item for item in (value if isinstance(value, list) else [value]) if item)
    return tuple(sorted(ids))


def _template_sha256(hashes: Mapping[str, str], tokenizer_config: Mapping[str, Any]) -> str | None:
    if CHAT_TEMPLATE in hashes:
        return hashes[CHAT_TEMPLATE]
    template = tokenizer_config.get("chat_template")
    return sha256_hex(template.encode()) if isinstance(template, str) else None
