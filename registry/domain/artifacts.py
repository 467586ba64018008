"""Artifacts: their types, names, keys and content types, and which bytes are quarantined."""

import io
import pickletools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from registry.domain.packages import printable

KINDS = ("model", "code", "dataset")
UNKNOWN_LICENCE = "unknown"
NAME_LETTERS = 200
FILE_NAME_LETTERS = 255
BINARY = "application/octet-stream"
CONTENT_TYPES: Mapping[str, str] = {
    ".zip": "application/zip",
    ".tar": "application/x-tar",
    ".gz": "application/gzip",
    ".json": "application/json",
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".py": "text/x-python",
}
# Formats whose usual readers run what the file says: pickles under their many names.
CODE_CARRIERS = frozenset(
    {".pkl", ".pickle", ".bin", ".pt", ".pth", ".ckpt", ".joblib", ".dill", ".npy", ".h5", ".keras"}
)
_PICKLE = tuple(b"\x80" + bytes([protocol]) for protocol in range(6))
_INSTRUCTIONS = {known.code.encode("latin-1"): known for known in pickletools.opcodes}
_MAX_HEADER_BYTES = 100_000_000
HEAD_BYTES = 256
_EXTENSION = re.compile(r"\.[a-z0-9]{1,15}")
_NOT_IN_SLUGS = re.compile(r"[^a-z0-9.-]+")


@dataclass(frozen=True, kw_only=True)
class Record:
    """A model's record as clients see it; keys are empty where there is no such artifact.

    ``size_bytes``: of the model's file; ``scores``: name → 0…1; ``scores_latency_ms``: name → how
    long computing it took.
    """

    name: str
    size_bytes: int = 0
    licence: str = UNKNOWN_LICENCE
    model_key: str = ""
    code_key: str = ""
    dataset_key: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    scores_latency_ms: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON, in the contract's names."""
        return {
            "name": self.name,
            "size": self.size_bytes,
            "license": self.licence,
            "model_key": self.model_key,
            "code_key": self.code_key,
            "dataset_key": self.dataset_key,
            "scores": dict(self.scores),
            "scores_latency": dict(self.scores_latency_ms),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Record":
        """The record that ``to_dict`` has written; what is absent has its default.

        Raises:
            KeyError: there is no name.
        """
        return cls(
            name=str(values["name"]),
            size_bytes=int(values.get("size", 0)),
            licence=str(values.get("license") or UNKNOWN_LICENCE),
            model_key=str(values.get("model_key", "")),
            code_key=str(values.get("code_key", "")),
            dataset_key=str(values.get("dataset_key", "")),
            scores={str(name): float(score) for name, score in values.get("scores", {}).items()},
            scores_latency_ms={
                str(name): int(ms) for name, ms in values.get("scores_latency", {}).items()
            },
        )


def base_name(path: str) -> str:
    """The last part of a path as any system writes it, at most 255 printable letters."""
    return printable(re.split(r"[/\\]", path)[-1].strip())[-FILE_NAME_LETTERS:]


def extension_of(file_name: str) -> str:
    """The last extension in lower case, with its dot; empty where there is no usual one."""
    suffix = PurePosixPath(file_name).suffix.lower()
    return suffix if _EXTENSION.fullmatch(suffix) else ""


def content_type_of(file_name: str) -> str:
    """What the bytes are said to be, by the extension alone."""
    return CONTENT_TYPES.get(extension_of(file_name), BINARY)


def extension_for(content_type: str) -> str:
    """The extension of a body that came without a file name; empty where its type says nothing."""
    kind = content_type.partition(";")[0].strip().lower()
    return next((suffix for suffix, known in CONTENT_TYPES.items() if known == kind), "")


def choose_name(*, form: str, header: str, file_name: str, made: str) -> str:
    """The record's name: of the form, the header, the file's stem, or the one made for it.

    A header counts for bodies that are no forms; the caller leaves it empty for the others.
    """
    stem = PurePosixPath(file_name).stem if file_name else ""
    given = (form.strip(), header.strip(), stem.strip()[:NAME_LETTERS], made)
    return next(name for name in given if name)


def fault_of_name(name: str) -> str:
    """Why a record can't have this name; empty where it can."""
    if len(name) > NAME_LETTERS:
        return f"it has {len(name)} characters, {NAME_LETTERS} are the most"
    if not name.isprintable():
        return "it holds characters that can't be printed"
    if not {".", ".."}.isdisjoint(name.split("/")):
        return "a part of it is . or .., which clients take out of addresses"
    return ""


def slug_of(name: str) -> str:
    """The name as a part of a key: lower case, words joined by hyphens."""
    slug = _NOT_IN_SLUGS.sub("-", name.lower()).strip("-.")
    return slug[:100] or "unnamed"


def key_of(*, kind: str, name: str, identifier: str, file_name: str) -> str:
    """``{type}/{model}/{uuid}{ext}``."""
    return f"{kind}/{slug_of(name)}/{identifier}{extension_of(file_name)}"


def quarantine_of(*, file_name: str, head: bytes) -> str:
    """Why these bytes may never become part of a version; empty where nothing speaks against it.

    ``head``: the first ``HEAD_BYTES`` bytes. A sound safetensors file may begin with the very bytes
    of a pickle (a header of 640 bytes does), so that form is recognised first, but only where no
    pickle goes on like this: one can be made that begins like a safetensors file.
    """
    length = int.from_bytes(head[:8], "little")
    is_framed = len(head) > 8 and length <= _MAX_HEADER_BYTES and head[8:9] in b"{ "
    if is_framed and not _may_be_pickle(head):
        return ""
    if is_framed or head.startswith(_PICKLE):
        return "it is a pickle, whose reader runs what it says"
    if (suffix := extension_of(file_name)) in CODE_CARRIERS:
        return f"files {suffix} are read by programs that run what they say"
    return ""


def _may_be_pickle(head: bytes) -> bool:
    """Whether a pickle can begin with these bytes: each that is to be an instruction is one."""
    stream = io.BytesIO(head)
    while code := stream.read(1):
        instruction = _INSTRUCTIONS.get(code)
        if instruction is None:
            return False
        if code == b".":
            break
        if instruction.arg is not None:
            try:
                instruction.arg.reader(stream)
            except ValueError:  # it goes on behind the head
                break
    return True
