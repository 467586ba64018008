"""Finds the stored bytes that a manifest names, under the same guards as any package."""

from collections.abc import Iterable, Sequence

from registry import artifact_selectors
from registry.domain.packages import (
    Member,
    PackageFault,
    PackageInvalid,
    PackageLimits,
    guarded,
    printable,
)
from registry.models import Blob
from registry.services import blobs


def resolve(
    files: Sequence[tuple[str, str]], *, limits: PackageLimits, required: Iterable[str]
) -> dict[str, Blob]:
    """Path → blob of (path, sha256); no byte is read.

    Raises:
        PackageInvalid: a path is unsafe or there twice, nothing is stored under a digest, or it
            was uploaded as an artifact that may be part of no version.
    """
    blobs.claim(*{sha256 for _, sha256 in files})
    known = Blob.objects.in_bulk({sha256 for _, sha256 in files}, field_name="sha256")
    members = guarded(
        [
            Member(path, known[sha256].size_bytes if sha256 in known else 0, name=sha256)
            for path, sha256 in files
        ],
        limits=limits,
        required=required,
    )
    stored = {sha256 for sha256, blob in known.items() if blobs.is_stored(blob)}
    if missing := [member for member in members if member.name not in stored]:
        raise PackageInvalid([_missing(member) for member in missing])
    held_back = artifact_selectors.quarantined(known)
    if barred := [member for member in members if member.name in held_back]:
        raise PackageInvalid([_barred(member, held_back[member.name]) for member in barred])
    return {member.path: known[member.name] for member in members}


def _missing(member: Member) -> PackageFault:
    path = printable(member.path)
    return PackageFault(
        "bytes_unknown",
        path,
        f"No bytes are stored under {member.name}, which is to be {path}.",
        "Upload them first: POST /api/v1/uploads.",
    )


def _barred(member: Member, why: str) -> PackageFault:
    path = printable(member.path)
    return PackageFault(
        "bytes_quarantined",
        path,
        f"The bytes that are to be {path} were uploaded as an artifact and are quarantined: {why}.",
        "Convert the weights to safetensors and submit those.",
    )
