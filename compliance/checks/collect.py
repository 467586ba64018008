"""Gathers the facts of a package, once, from its files: bounded memory, and nothing is executed."""

import codecs
import hashlib
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from compliance.checks.tensor_numbers import tensor_facts, update_facts
from compliance.checks.tokenizer_facts import TOKENIZER_FILES, compare_tokenizer
from compliance.domain.adapter import CONFIG_FILE
from compliance.domain.file_kinds import (
    HEAD_BYTES,
    NOT_JSON,
    TOO_LARGE,
    code_keys,
    kind_of,
    pickle_imports,
    read_loosely,
)
from compliance.domain.snapshot import FileFacts, PackageFacts, WeightsFacts
from config.core.digests import manifest_digest, sha256_hex
from registry.domain.packages import (
    WEIGHTS_FILE,
    Member,
    PackageLimits,
    folder_members,
    plan_package,
    printable,
)
from registry.domain.safetensors_header import Header, HeaderInvalid, read_header

PIECE_BYTES = 1 << 20
CONFIG_BYTES = 1 << 20
JSON_BYTES = 4 << 20
HEADER_BYTES = 16 << 20
"""An adapter's header; the format allows 100 MB, whose JSON would take gigabytes to decode."""
TENSORS_MAXIMUM = 50_000
"""A mixture of 128 experts in 48 layers has 37,000 matrices."""
METADATA_ENTRIES, METADATA_CHARS = 50, 1000
_ZIP_END_BYTES = 65_535 + 22
_LOADED_JSON = "config.json"
"""How the names of the files end in which loaders look for code: tokenizer_config.json too."""


class PackageSource(Protocol):
    """Where a package's files are: a folder, or blobs in a store."""

    def members(self) -> Sequence[Member]:
        """All files, links and devices included, in order of path."""

    def open(self, path: str) -> BinaryIO:
        """A seekable stream of the file ``path``; never of what a link points to."""


class FolderSource:
    """A package in a folder of the file system."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def members(self) -> Sequence[Member]:
        """All files under the folder."""
        return folder_members(self.root)

    def open(self, path: str) -> BinaryIO:
        """The file ``path``; a link that took its place meanwhile is refused by the system."""
        descriptor = os.open(self.root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        return os.fdopen(descriptor, "rb")


@dataclass
class _Read:
    """What one pass over a file gives."""

    sha256: str
    size_bytes: int
    head: bytes
    is_text: bool
    has_zip_end: bool


def collect_package(
    source: PackageSource,
    *,
    base_tokenizer: Path | None = None,
    limits: PackageLimits | None = None,
) -> PackageFacts:
    """The package section of a snapshot.

    ``base_tokenizer``: the base's tokenizer.json, needed only if the package has one of its own.
    """
    limits = limits or PackageLimits()
    members = source.members()
    faults = [fault.as_error() for fault in plan_package(members, limits=limits)]
    facts: PackageFacts = {
        "files": [],
        "faults": faults,
        "manifest_sha256": "",
        "config_text": None,
        "config_error": "",
        "weights": None,
        "headers": {},
        "templates": [],
        "special_token_ids": {},
        "tokenizer": None,
    }
    for member in members[: limits.files]:
        _collect_file(source, member, facts, limits)
    facts["manifest_sha256"] = manifest_digest(
        (file["path"], file["sha256"], file["size_bytes"]) for file in facts["files"]
    )
    by_path = {file["path"]: file for file in facts["files"]}
    comparison = compare_tokenizer(
        {
            name: by_path[name]["sha256"]
            for name in TOKENIZER_FILES
            if name in by_path and by_path[name]["kind"] in ("json", "text", "empty")
        },
        source.open,
        base_tokenizer=base_tokenizer,
    )
    facts["tokenizer"] = comparison.tokenizer
    facts["special_token_ids"] = comparison.special_token_ids
    facts["declared_tokens"] = comparison.declared_tokens
    facts["tokens_error"] = comparison.error
    return facts


def _collect_file(
    source: PackageSource, member: Member, facts: PackageFacts, limits: PackageLimits
) -> None:
    path = printable(member.path)
    file: FileFacts = {
        "path": path,
        "size_bytes": member.size_bytes,
        "sha256": "",
        "kind": "special",
        "dangers": [],
        "code_keys": [],
    }
    facts["files"].append(file)
    if stat.S_IFMT(member.mode) == stat.S_IFLNK:
        file["kind"] = "link"
        return
    if stat.S_IFMT(member.mode) not in (0, stat.S_IFREG) or member.size_bytes > limits.file_bytes:
        return
    with source.open(member.path) as stream:
        read = _read_through(stream)
        file["sha256"], file["size_bytes"] = read.sha256, read.size_bytes
        file["kind"] = kind_of(
            path,
            read.head,
            size_bytes=read.size_bytes,
            is_text=read.is_text,
            has_zip_end=read.has_zip_end,
        )
        _look_inside(stream, file, read, facts)


def _look_inside(stream: BinaryIO, file: FileFacts, read: _Read, facts: PackageFacts) -> None:
    path, kind = file["path"], file["kind"]
    if path == CONFIG_FILE:
        _read_config(stream, read, facts)
    if kind == "pickle":
        file["dangers"] = pickle_imports(read.head)
    elif kind == "zip":
        file["dangers"] = _zipped_imports(stream)
    elif kind == "safetensors" and path.endswith(".safetensors"):
        _read_weights(stream, file, facts)
    elif path.endswith(".jinja") and kind in ("text", "json", "empty"):
        facts["templates"].append({"path": path, "sha256": read.sha256})
    elif kind == "json" and read.is_text:
        _read_json_file(stream, file, read, facts)
    if path == WEIGHTS_FILE and facts["weights"] is None:
        message = f"the file is {kind}, no safetensors file"
        fix = "Write it with safetensors.torch.save_file on the training machine."
        error = {"message": message, "fix": fix, "tensor": ""}
        facts["weights"] = _weights(path, error)


def _read_through(stream: BinaryIO) -> _Read:
    digest, size_bytes, head, tail = hashlib.sha256(), 0, b"", b""
    decoder, is_text = codecs.getincrementaldecoder("utf-8")(), True
    while piece := stream.read(PIECE_BYTES):
        digest.update(piece)
        size_bytes += len(piece)
        if len(head) < HEAD_BYTES:
            head += piece[: HEAD_BYTES - len(head)]
        tail = (tail + piece if len(piece) < _ZIP_END_BYTES else piece)[-_ZIP_END_BYTES:]
        if is_text:
            try:
                is_text = "\0" not in decoder.decode(piece)
            except UnicodeDecodeError:
                is_text = False
    if is_text:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            is_text = False
    return _Read(digest.hexdigest(), size_bytes, head, is_text, _has_zip_end(tail))


def _has_zip_end(tail: bytes) -> bool:
    """Whether the file ends with a ZIP's end record, whose comment runs exactly to its end."""
    place = tail.rfind(b"PK\x05\x06")
    while place >= 0:
        if len(tail) - place >= 22:
            comment_bytes = struct.unpack_from("<H", tail, place + 20)[0]
            if place + 22 + comment_bytes == len(tail):
                return True
        place = tail.rfind(b"PK\x05\x06", 0, place)
    return False


def _read_config(stream: BinaryIO, read: _Read, facts: PackageFacts) -> None:
    if read.size_bytes > CONFIG_BYTES:
        facts["config_error"] = f"it has {read.size_bytes} bytes, {CONFIG_BYTES} are allowed"
    elif not read.is_text:
        facts["config_error"] = "it is not UTF-8 text"
    else:
        stream.seek(0)
        facts["config_text"] = stream.read(CONFIG_BYTES).decode()


def _read_json_file(stream: BinaryIO, file: FileFacts, read: _Read, facts: PackageFacts) -> None:
    name = file["path"].rsplit("/", 1)[-1]
    if read.size_bytes > JSON_BYTES:
        if name.endswith(_LOADED_JSON):
            file["code_keys"] = [TOO_LARGE]
        return
    stream.seek(0)
    data, is_json = read_loosely(stream.read(JSON_BYTES).decode())
    if not is_json and name.endswith(_LOADED_JSON) and file["path"] != CONFIG_FILE:
        file["code_keys"] = [NOT_JSON]
        return
    file["code_keys"] = [printable(place) for place in code_keys(data)]
    if isinstance(data, dict):
        _add_templates(file["path"], data.get("chat_template"), facts)


def _add_templates(path: str, value: object, facts: PackageFacts) -> None:
    """Chat templates inside a JSON file: a text, a list of named texts, or texts by name."""
    if isinstance(value, str):
        sha256 = sha256_hex(value.encode(errors="surrogatepass"))
        facts["templates"].append({"path": f"{path}:chat_template", "sha256": sha256})
    elif isinstance(value, list):
        for entry in value:
            _add_templates(path, entry, facts)
    elif isinstance(value, dict):
        # A list's entry is {"name": …, "template": …}; elsewhere every member is a template.
        has_name = "template" in value
        for name, entry in value.items():
            if not (has_name and name == "name"):
                _add_templates(path, entry, facts)


def _read_weights(stream: BinaryIO, file: FileFacts, facts: PackageFacts) -> None:
    stream.seek(0)
    path = file["path"]
    try:
        header = read_header(stream, size_bytes=file["size_bytes"], maximum_bytes=HEADER_BYTES)
        if len(header.tensors) > TENSORS_MAXIMUM:
            raise HeaderInvalid(
                f"it lists {len(header.tensors)} tensors, {TENSORS_MAXIMUM} are allowed",
                fix="Save the adapter alone, with PEFT's save_pretrained.",
            )
    except HeaderInvalid as problem:
        error = {
            "message": printable(problem.message),
            "fix": problem.fix,
            "tensor": printable(problem.tensor),
        }
        facts["headers"][path] = error
        if path == WEIGHTS_FILE:
            facts["weights"] = _weights(path, error)
        return
    if path == WEIGHTS_FILE:
        facts["weights"] = _measure(stream, header, path)


def _weights(path: str, error: dict[str, str] | None) -> WeightsFacts:
    return {"path": path, "error": error, "tensors": [], "updates": [], "metadata": {}}


def _measure(stream: BinaryIO, header: Header, path: str) -> WeightsFacts:
    facts = _weights(path, None)
    # What is said about the base comes first: TEC-06 looks for its digest there.
    entries = sorted(header.metadata.items(), key=lambda entry: ("base" not in entry[0], entry))
    facts["metadata"] = {
        printable(key)[:METADATA_CHARS]: printable(value[:METADATA_CHARS])
        for key, value in entries[:METADATA_ENTRIES]
    }
    facts["tensors"] = [tensor_facts(stream, info) for info in header.tensors.values()]
    facts["updates"] = update_facts(stream, header, facts["tensors"])
    return facts


def _zipped_imports(stream: BinaryIO) -> list[str]:
    """What the pickles in a ZIP (as torch.save writes) would import; read in part, never loaded."""
    names: set[str] = set()
    try:
        with zipfile.ZipFile(stream) as archive:
            pickles = [n for n in archive.namelist()[:1000] if n.endswith((".pkl", ".pickle"))]
            for name in pickles[:5]:
                with archive.open(name) as member:
                    names.update(pickle_imports(member.read(HEAD_BYTES)))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError):
        pass  # a damaged archive is refused for what it is; there is only no name for its danger
    except (OSError, OverflowError, struct.error, zlib.error):
        pass
    return sorted(names)[:20]
