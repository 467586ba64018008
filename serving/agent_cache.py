"""The agent's folder of packages by digest: written beside, verified, renamed, read-only."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from config.core.digests import manifest_digest, sha256_file
from config.core.errors import DomainError, ErrorKind


class PackageDamaged(DomainError):
    """Fetched or cached bytes are not what their digest says."""

    code = "package-damaged"
    title = "The package's bytes are damaged"
    kind = ErrorKind.UNAVAILABLE


class Fetch(Protocol):
    """Opens the bytes of a digest as pieces."""

    def __call__(self, sha256: str) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes in pieces, until the block ends."""
        ...


def package_folder(
    cache: Path, *, digest: str, files: Sequence[Mapping[str, Any]], fetch: Fetch
) -> Path:
    """The folder with exactly these files; what is not there yet is fetched.

    A folder that is there is hashed again: bytes that changed on disk are thrown away and fetched
    anew.

    Raises:
        PackageDamaged: the list of files has another digest, or bytes do.
    """
    rows = [(str(f["path"]), str(f["sha256"]), int(f["size_bytes"])) for f in files]
    if manifest_digest(rows) != digest:
        raise PackageDamaged("The order's files do not make up its digest.", fix="Drop it.")
    target = cache / digest
    if target.is_dir():
        if _is_whole(target, rows):
            return target
        _remove(target)
    beside = cache / f".{digest}.{os.getpid()}"
    _remove(beside)
    beside.mkdir(parents=True)
    try:
        for path, sha256, size_bytes in rows:
            _write(_inside(beside, path), sha256, size_bytes, fetch)
        for folder in [beside, *[p for p in beside.rglob("*") if p.is_dir()]]:
            folder.chmod(0o555)
        beside.chmod(0o755)  # a folder that is renamed has to be writable
        try:
            beside.rename(target)
        except OSError:
            if not target.is_dir():
                raise
            _remove(beside)  # another process was first
        target.chmod(0o555)
    except BaseException:
        _remove(beside)
        raise
    return target


def _inside(folder: Path, path: str) -> Path:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or any(part in {"..", "."} for part in parts):
        raise PackageDamaged(f"{path[:100]!r} is no path inside a package.", fix="Drop it.")
    return folder.joinpath(*parts)


def _write(path: Path, sha256: str, size_bytes: int, fetch: Fetch) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    hashed, written = hashlib.sha256(), 0
    with path.open("wb") as stream, fetch(sha256) as pieces:
        for piece in pieces:
            written += len(piece)
            if written > size_bytes:
                break
            hashed.update(piece)
            stream.write(piece)
        stream.flush()
        os.fsync(stream.fileno())
    if written != size_bytes or hashed.hexdigest() != sha256:
        raise PackageDamaged(
            f"The bytes of {sha256[:12]} came damaged.", fix="They are fetched again."
        )
    path.chmod(0o444)


def _is_whole(folder: Path, rows: Sequence[tuple[str, str, int]]) -> bool:
    wanted = {path: (sha256, size_bytes) for path, sha256, size_bytes in rows}
    found = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    return found == set(wanted) and all(
        not (folder / path).is_symlink()
        and (folder / path).stat().st_size == size_bytes
        and sha256_file(folder / path) == sha256
        for path, (sha256, size_bytes) in wanted.items()
    )


def _remove(folder: Path) -> None:
    if not folder.exists():
        return
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)
