"""Proof that a package folder on the node's disk is what its digest says."""

import re
from pathlib import Path

from config.core.digests import SHORT_HEX, WHOLE_SHA256, manifest_digest, sha256_file
from serving.domain import shown
from serving.engines.errors import RequestInvalid
from serving.node.problems import DigestMismatch

RUNTIME_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._:-]{0,198}[a-z0-9])?@[0-9a-f]{12}")
_PATH = re.compile(r"[A-Za-z0-9._:@/+-]{1,400}")


def require_name_fits(name: str, digest: str) -> None:
    """Let only ``slug@<first 12 hex of digest>`` pass.

    Raises:
        RequestInvalid: the digest is no SHA-256 in hex.
        DigestMismatch: the name belongs to another digest, or has no hex.
    """
    if not WHOLE_SHA256.fullmatch(digest):
        raise RequestInvalid("digest is not 64 lower-case hex characters")
    if not RUNTIME_NAME.fullmatch(name) or name.rsplit("@", 1)[1] != digest[:SHORT_HEX]:
        raise DigestMismatch(
            f"{shown.name_or(name, 'the name')} does not end in @{digest[:SHORT_HEX]}",
            fix="Name a replica slug@<first 12 hex characters of its manifest digest>.",
        )


def folder_digest(folder: Path) -> str:
    """The manifest digest of all files under ``folder``, every byte hashed now.

    Raises:
        RequestInvalid: it is no folder, or holds a link or something that is no plain file.
    """
    if not folder.is_dir():
        raise RequestInvalid(f"{_shown(folder)} is not a folder on this node")
    rows = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise RequestInvalid(f"{_shown(path)} is neither a plain file nor a folder")
        if path.is_file():
            relative = path.relative_to(folder).as_posix()
            rows.append((relative, sha256_file(path), path.stat().st_size))
    return manifest_digest(rows)


def verify_package(folder: Path, digest: str) -> None:
    """Hash ``folder`` and compare (check HIP-06 at load).

    Raises:
        DigestMismatch: the bytes have another digest; the message has both.
        RequestInvalid: see ``folder_digest``.
    """
    found = folder_digest(folder)
    if found != digest:
        raise DigestMismatch(
            f"{_shown(folder)} has digest {found}, {digest} was asked for",
            fix="Fetch the package again; the copy on this node was changed or is incomplete.",
        )


def _shown(path: Path) -> str:
    return str(path) if _PATH.fullmatch(str(path)) else "the path"
