"""``formulary push``: hash, ask what is there, send what is not, submit the manifest."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from registry.domain.packages import CONFIG_FILE, PackageInvalid, PackageLimits
from registry.sources.archives import ArchiveSource
from registry.sources.base import OpenPackage
from registry.sources.files import FolderSource

from .api import Api, part
from .checks import report_of, wait_for_checks
from .endings import Exit, Refused, WrongUse
from .screen import Screen
from .sending import File, Sending, is_stored

MAX_LABEL_BYTES = 1 << 20


def push(
    api: Api,
    screen: Screen,
    *,
    path: Path,
    adapter: str,
    version_name: str,
    notes: str,
    parent: str,
    label_file: Path | None,
    must_wait: bool,
    timeout_seconds: float,
) -> Exit:
    """Make the package at ``path`` a version of ``adapter``; known bytes don't travel.

    Raises:
        WrongUse: the package or the label can't be read.
        Refused, Away: as the server says.
    """
    label = _read_label(label_file) if label_file else None
    with _opened(path) as package:
        files = _hashed(package, screen)
        sent = _send_missing(api, screen, files)
    body: dict[str, Any] = {"files": [{"path": f.path, "sha256": f.sha256} for f in files]}
    optional = {"version_name": version_name, "notes": notes, "parent": parent, "label": label}
    body |= {key: value for key, value in optional.items() if value}
    answer = api.call("POST", f"adapters/{part(adapter)}/versions", json=body)
    version, is_new = api.body_of(answer), answer.status_code == 201
    ref = f"{version['adapter']}@{version['version_name']}"
    found: dict[str, Any] = {
        "version": version["runtime_name"],
        "ref": ref,
        "uuid": version["uuid"],
        "digest": version["digest"],
        "is_new": is_new,
        "files": len(files),
        "size_bytes": version["size_bytes"],
        **sent,
    }
    lines = [
        f"{ref}  {version['digest']}",
        f"  {'new' if is_new else 'was there already'}; {len(files)} files, "
        f"{version['size_bytes']} bytes, {sent['sent_bytes']} of them sent",
    ]
    if not must_wait:
        screen.result(found, lines)
        return Exit.OK
    screen.note(f"{ref} is stored; waiting for its checks …")
    report = report_of(wait_for_checks(api, version["uuid"], timeout_seconds=timeout_seconds))
    screen.result(found | report.as_dict(), [*lines, *report.lines()])
    return report.exit


@contextmanager
def _opened(path: Path) -> Iterator[OpenPackage]:
    """The package under the guards that the server has too, before a byte travels."""
    limits = PackageLimits()
    try:
        if path.is_dir():
            with FolderSource(path).open(limits=limits, required=(CONFIG_FILE,)) as package:
                yield package
        else:
            with (
                path.open("rb") as stream,
                ArchiveSource(stream).open(limits=limits, required=(CONFIG_FILE,)) as package,
            ):
                yield package
    except PackageInvalid as error:
        raise Refused(
            error.message, fix=error.fix, code=error.code, errors=list(error.errors)
        ) from error
    except OSError as error:
        raise WrongUse(
            f"{error.filename or path} can't be read: {error.strerror or error}",
            fix="Give the adapter's folder or its ZIP archive.",
        ) from error


def _hashed(package: OpenPackage, screen: Screen) -> list[File]:
    files = []
    total_bytes = sum(member.size_bytes for member in package.members)
    with screen.bar(total_bytes=total_bytes, what="hashing") as bar:
        for member in package.members:
            digest = hashlib.sha256()
            for piece in package.pieces(member):
                digest.update(piece)
                bar.update(len(piece))
            pieces = partial(package.pieces, member)
            files.append(File(member.path, digest.hexdigest(), member.size_bytes, pieces))
    return files


def _send_missing(api: Api, screen: Screen, files: list[File]) -> dict[str, int]:
    distinct = {file.sha256: file for file in files}
    missing = [file for file in distinct.values() if not is_stored(api, file.sha256)]
    total_bytes = sum(file.size_bytes for file in missing)
    sent_bytes = resumed_bytes = 0
    with screen.bar(total_bytes=total_bytes, what="sending") as bar:
        for file in missing:
            sending = Sending(api, file, moved=bar.update)
            sending.run()
            sent_bytes += sending.sent_bytes
            resumed_bytes += sending.resumed_at_bytes
    return {"sent_files": len(missing), "sent_bytes": sent_bytes, "resumed_bytes": resumed_bytes}


def _read_label(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            label = json.loads(stream.read(MAX_LABEL_BYTES))
    except OSError as error:
        raise WrongUse(f"{path} can't be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise WrongUse(f"{path} is no JSON.") from error
    if not isinstance(label, dict):
        raise WrongUse(
            f"{path} holds no JSON object.", fix='A label has "purpose" and "population".'
        )
    return label
