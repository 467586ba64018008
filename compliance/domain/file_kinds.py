"""What a file is by its content, whatever it is named; nothing is ever executed or unpickled."""

import io
import json
import pickletools
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

HEAD_BYTES = 1 << 16
MAX_HEADER_BYTES = 100_000_000

SAFE_KINDS = frozenset({"safetensors", "json", "text", "tokenizer", "empty"})
TEXT_SUFFIXES = frozenset(
    {"", ".json", ".jsonl", ".md", ".txt", ".yaml", ".yml", ".jinja", ".csv", ".tsv", ".model"}
    | {".safetensors", ".vocab", ".merges", ".log", ".license", ".toml", ".cfg", ".ini"}
)
SCRIPT_SUFFIXES = frozenset(
    {".py", ".pyw", ".pyx", ".pth", ".ipynb", ".sh", ".bash", ".zsh", ".fish", ".bat", ".cmd"}
    | {".ps1", ".psm1", ".js", ".mjs", ".cjs", ".ts", ".rb", ".pl", ".php", ".lua", ".r", ".jl"}
    | {".vbs", ".wsf", ".hta", ".html", ".htm", ".svg", ".xhtml", ".command", ".desktop", ".mk"}
    | {".c", ".cc", ".cpp", ".cu", ".go", ".rs", ".java", ".scpt", ".tcl", ".awk"}
)
UNPICKLED_SUFFIXES = frozenset(
    {".bin", ".pt", ".pkl", ".pickle", ".ckpt", ".joblib", ".dill", ".npy", ".npz", ".msgpack"}
)
"""Names whose files loaders unpickle or decode on sight, whatever stands in them today."""
HIDDEN_ALLOWED = frozenset({".gitattributes", ".gitignore"})
CODE_KEYS = frozenset(
    {"auto_map", "trust_remote_code", "custom_code", "custom_pipelines", "custom_pipeline"}
    | {"custom_generate", "remote_code", "code_revision", "parent_library", "module_file"}
)
"""Members of JSON files by which loaders are made to import or run code."""

TOO_LARGE, NOT_JSON = "(too large to be searched)", "(no JSON)"
"""Stand in place of the members of a file that could not be searched for them."""

_MAGIC: Sequence[tuple[bytes, str]] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PK\x07\x08", "zip"),
    (b"\x7fELF", "elf"),
    (b"\xfe\xed\xfa\xce", "macho"),
    (b"\xfe\xed\xfa\xcf", "macho"),
    (b"\xce\xfa\xed\xfe", "macho"),
    (b"\xcf\xfa\xed\xfe", "macho"),
    (b"\xca\xfe\xba\xbe", "macho"),
    (b"\xca\xfe\xba\xbf", "macho"),
    (b"\x1f\x8b", "archive"),
    (b"BZh", "archive"),
    (b"\xfd7zXZ\x00", "archive"),
    (b"7z\xbc\xaf\x27\x1c", "archive"),
    (b"Rar!\x1a\x07", "archive"),
    (b"\x28\xb5\x2f\xfd", "archive"),
    (b"\x93NUMPY", "numpy"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"GGUF", "gguf"),
    (b"\x00asm", "wasm"),
    (b"SQLite format 3\x00", "database"),
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"%PDF-", "pdf"),
)
_IMPORT_OPCODES = frozenset({"GLOBAL", "STACK_GLOBAL", "INST"})
_CALL_OPCODES = frozenset({"REDUCE", "BUILD", "OBJ", "NEWOBJ", "NEWOBJ_EX", "INST"})
_DANGEROUS = _IMPORT_OPCODES | _CALL_OPCODES
_NAME = re.compile(r"[\w.$<>-]{1,80}")


def kind_of(path: str, head: bytes, *, size_bytes: int, is_text: bool, has_zip_end: bool) -> str:
    """The kind of a file from its first bytes.

    ``head``: up to 64 KiB; ``is_text``: the whole file is UTF-8 without NUL;
    ``has_zip_end``: it ends with the end record of a ZIP archive.
    """
    if size_bytes == 0:
        return "empty"
    # A sound header length may begin with the very bytes of a pickle (0x0280 is 640).
    length = int.from_bytes(head[:8], "little")
    looks_safe = len(head) > 8 and length <= MAX_HEADER_BYTES and head[8:9] in b"{ "
    if looks_safe:
        return "zip" if has_zip_end else "safetensors"
    if head[:1] == b"\x80" and head[1:2] in (b"\x00", b"\x01", b"\x02", b"\x03", b"\x04", b"\x05"):
        return "pickle"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if has_zip_end:
        return "zip"
    if not is_text:
        return _binary_kind(path, head)
    return _text_kind(path, head)


def _binary_kind(path: str, head: bytes) -> str:
    if head[:2] == b"MZ":
        return "pe"
    if head[257:262] == b"ustar":
        return "archive"
    if head[2:4] == b"\r\n" and len(head) > 16:
        return "bytecode"
    if is_pickle(head):
        return "pickle"
    # A SentencePiece model is a protocol buffer whose first field holds its pieces.
    if PurePosixPath(path).suffix == ".model" and head[:1] == b"\x0a":
        return "tokenizer"
    return "binary"


def _text_kind(path: str, head: bytes) -> str:
    if head.startswith(b"#!") or PurePosixPath(path).suffix.lower() in SCRIPT_SUFFIXES:
        return "script"
    if is_pickle(head):
        return "pickle"
    return "json" if head.lstrip()[:1] in (b"{", b"[") else "text"


def is_hidden(path: str) -> bool:
    """Whether a part of the path begins with a dot, other than the two of git."""
    return any(part.startswith(".") and part not in HIDDEN_ALLOWED for part in path.split("/"))


def is_pickle(head: bytes) -> bool:
    """Whether ``head`` reads as a pickle that imports or calls something (any protocol).

    A longer pickle is cut off by the end of ``head``: up to there it has to read as one.
    """
    seen = set()
    stream = io.BytesIO(head)
    try:
        for opcode, _, _ in pickletools.genops(stream):
            seen.add(opcode.name)
            if opcode.name == "STOP":
                return bool(seen & _DANGEROUS)
    except (ValueError, IndexError, KeyError, OverflowError, UnicodeError, RecursionError):
        is_cut_off = len(head) >= HEAD_BYTES and stream.tell() >= len(head)
        return is_cut_off and bool(seen & _DANGEROUS)
    return False


def pickle_imports(data: bytes) -> list[str]:
    """The names that unpickling ``data`` would import, read without unpickling; at most 20."""
    names: list[str] = []
    texts: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name in ("GLOBAL", "INST"):
                names.append(str(argument).replace(" ", "."))
            elif opcode.name == "STACK_GLOBAL" and len(texts) >= 2:
                names.append(f"{texts[-2]}.{texts[-1]}")
            elif isinstance(argument, str):
                texts = [*texts[-8:], argument]
    except (ValueError, IndexError, KeyError, OverflowError, UnicodeError, RecursionError):
        pass  # what was read up to the damage is named all the same
    return sorted({name for name in names if _NAME.fullmatch(name)})[:20]


def code_keys(data: Any, *, limit: int = 20) -> list[str]:
    """Where a decoded JSON file holds members that make a loader run code, as ``a.b.key``."""
    found: list[str] = []
    open_items: list[tuple[str, Any]] = [("", data)]
    while open_items and len(found) < limit:
        where, value = open_items.pop()
        if isinstance(value, dict):
            for key, item in value.items():
                place = f"{where}.{key}" if where else str(key)
                if key in CODE_KEYS and item not in (None, False, "", [], {}):
                    found.append(place[:120])
                open_items.append((place, item))
        elif isinstance(value, list):
            open_items += [(where, item) for item in value]
    return sorted(found)


def read_loosely(text: str) -> tuple[Any, bool]:
    """What loaders, which are laxer than we are, could make of ``text``; False if it is no JSON.

    A name that stands twice has a list of all its values: which one counts differs by loader.
    """

    def all_values(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            for name, count in Counter(name for name, _ in pairs).items():
                if count > 1:
                    members[name] = [value for other, value in pairs if other == name]
        return members

    try:
        return json.loads(text, object_pairs_hook=all_values), True
    except (ValueError, RecursionError):
        return None, False


def read_json(text: str) -> tuple[Any, str]:
    """The decoded text and an empty error, or None and what is wrong with it."""
    twice: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            counted = Counter(name for name, _ in pairs)
            twice.extend(name for name, count in counted.items() if count > 1)
        return members

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not JSON")

    try:
        data = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except json.JSONDecodeError as error:
        return None, f"it is not JSON: line {error.lineno}, column {error.colno}"
    except RecursionError:
        return None, "it is nested too deeply"
    except ValueError as error:
        return None, f"it is not JSON: {str(error)[:80]}"
    if twice:
        return None, f"the name {twice[0]!a} stands twice in one object"
    return data, ""
