"""The files of a version as a Hub client sees them: each one like a file in Git LFS."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from registry.models import Blob, Version
from registry.selectors import files_of

from .errors import EntryUnknown

WEIGHTS = ".safetensors"
# Weights in one safe format, and plain text. Pickles, scripts, and what nobody knows stay here.
_TEXTS = frozenset({".json", ".md", ".txt", ".jinja"})
_PLAIN_NAMES = frozenset({"LICENSE", "NOTICE"})


@dataclass(frozen=True)
class HubFile:
    """One file: ``path`` in the package and its stored bytes."""

    path: str
    blob: Blob

    @property
    def sha256(self) -> str:
        """The digest of the bytes; the file's ETag."""
        return self.blob.sha256

    @property
    def size_bytes(self) -> int:
        """How many bytes the file has."""
        return self.blob.size_bytes

    @property
    def is_weights(self) -> bool:
        """Whether these are weights, whose download is always counted."""
        return self.path.endswith(WEIGHTS)

    @cached_property
    def pointer(self) -> bytes:
        """The text that stands in Git for a file in LFS (git-lfs specification, version 1)."""
        return (
            "version https://git-lfs.github.com/spec/v1\n"
            f"oid sha256:{self.sha256}\nsize {self.size_bytes}\n"
        ).encode()

    @property
    def git_oid(self) -> str:
        """The id of ``pointer`` as a Git blob: 40 hex."""
        return _git_object("blob", self.pointer)


@dataclass(frozen=True)
class HubFolder:
    """One folder: its path, and an id of 40 hex that changes with what lies in it."""

    path: str
    git_oid: str


def is_handed_out(path: str) -> bool:
    """Whether a file of this name is ever handed out by the Hub endpoint."""
    name = PurePosixPath(path)
    return name.suffix in _TEXTS | {WEIGHTS} or name.name in _PLAIN_NAMES


def files_at(version: Version) -> list[HubFile]:
    """The files that are handed out, by path."""
    rows = sorted(files_of(version), key=lambda row: row.path)
    return [HubFile(row.path, row.blob) for row in rows if is_handed_out(row.path)]


def file_at(version: Version, path: str) -> HubFile:
    """One file of the version.

    Raises:
        EntryUnknown: it has none under this path, or one that is not handed out.
    """
    for file in files_at(version):
        if file.path == path:
            return file
    raise _no_entry(version, path)


def entries_of(
    version: Version, *, folder: str = "", is_recursive: bool = False
) -> Sequence[HubFile | HubFolder]:
    """What lies in ``folder``: files and folders by path, with all below where ``is_recursive``.

    Raises:
        EntryUnknown: there is no such folder.
    """
    prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
    inside = [file for file in files_at(version) if file.path.startswith(prefix)]
    if prefix and not inside:
        raise _no_entry(version, folder)
    folders = {
        str(parent)
        for file in inside
        for parent in PurePosixPath(file.path).parents
        if str(parent) != "." and str(parent).startswith(prefix)
    }
    found: list[HubFile | HubFolder] = [_folder(path, inside) for path in folders]
    found += inside
    if not is_recursive:
        found = [entry for entry in found if "/" not in entry.path.removeprefix(prefix)]
    return sorted(found, key=lambda entry: entry.path)


def entries_named(version: Version, paths: Iterable[str]) -> Sequence[HubFile | HubFolder]:
    """The files and folders with these paths; those that don't exist are left out."""
    wanted = {path.strip("/") for path in paths}
    return [row for row in entries_of(version, is_recursive=True) if row.path in wanted]


def _folder(path: str, files: Iterable[HubFile]) -> HubFolder:
    rows = [f"{row.git_oid} {row.path}\n" for row in files if row.path.startswith(f"{path}/")]
    return HubFolder(path, _git_object("tree", "".join(rows).encode()))


def _git_object(kind: str, content: bytes) -> str:
    head = f"{kind} {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()


def _no_entry(version: Version, path: str) -> EntryUnknown:
    return EntryUnknown(
        f"{version.version_name} has no file {path[:200]!r} that is handed out.",
        fix="The tree of the revision lists the files; weights are handed out as safetensors only.",
        repo_commit=version.commit_id,
    )
