"""Reads of legal holds: which stand, on what, and which digests a reference means."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from config.accounts.models import User
from config.core.digests import WHOLE_SHA256
from registry import selectors, training_selectors
from registry.models import Adapter, Blob, Hold, TrainingRun, Version, VersionFile
from registry.storage_errors import HoldInvalid, HoldNotFound


@dataclass(frozen=True)
class Target:
    """What a hold is placed on: digests, and the name by which people asked for them."""

    sha256s: tuple[str, ...]
    placed_on: str = ""


def holds() -> QuerySet[Hold]:
    """All holds, released ones too, the newest first."""
    return Hold.objects.order_by("-pk")


def open_holds() -> QuerySet[Hold]:
    """Legal holds that stand, the newest first."""
    return holds().filter(released_at=None)


def hold_by_uuid(uuid: UUID) -> Hold:
    """The hold of this id, released or not.

    Raises:
        HoldNotFound: there is none.
    """
    found = holds().filter(uuid=uuid).first()
    if found is None:
        raise HoldNotFound(f"There is no hold {uuid}.", fix="GET /api/v1/holds lists them.")
    return found


def holds_on_version(version: Version) -> list[Hold]:
    """The holds that stand on files of a version, the oldest first."""
    files = VersionFile.objects.filter(version=version).values("blob__sha256")
    return list(open_holds().filter(sha256__in=files).order_by("pk"))


def held_versions_of(adapter: Adapter) -> QuerySet[Version]:
    """The adapter's versions of which a hold keeps some file, the newest first."""
    held = VersionFile.objects.filter(
        version__adapter=adapter, blob__sha256__in=open_holds().values("sha256")
    )
    return Version.objects.filter(pk__in=held.values("version")).order_by("-number")


def versions_with(sha256s: Iterable[str]) -> Mapping[str, Sequence[Version]]:
    """SHA-256 → the versions that have such a file; in one query, however many there are."""
    rows = VersionFile.objects.filter(blob__sha256__in=set(sha256s)).select_related(
        "blob", "version__adapter"
    )
    found: dict[str, dict[int, Version]] = defaultdict(dict)
    for row in rows.order_by("-version"):
        found[row.blob.sha256][row.version_id] = row.version
    return {sha256: tuple(by_id.values()) for sha256, by_id in found.items()}


def sizes_of(sha256s: Iterable[str]) -> Mapping[str, int]:
    """SHA-256 → size in bytes, of those of these bytes that are stored."""
    rows = Blob.objects.filter(sha256__in=set(sha256s))
    return dict(rows.values_list("sha256", "size_bytes"))


def target_of_version(version: Version) -> Target:
    """Every file of a version."""
    files = VersionFile.objects.filter(version=version).order_by("path")
    return Target(
        tuple(files.values_list("blob__sha256", flat=True)),
        f"{version.adapter.ref}@{version.version_name}",
    )


def target_of_adapter(adapter: Adapter) -> Target:
    """Every file of the versions that an adapter has now.

    Raises:
        HoldInvalid: it has none.
    """
    files = VersionFile.objects.filter(version__adapter=adapter).order_by("pk")
    sha256s = tuple(files.values_list("blob__sha256", flat=True))
    if not sha256s:
        raise HoldInvalid(
            f"{adapter.ref} has no version yet.", fix="A hold keeps bytes that it can name."
        )
    return Target(sha256s, adapter.ref)


def target_of_training(run: TrainingRun) -> Target:
    """The texts that a training learns from; nobody can delete or replace them while they are held.

    Raises:
        HoldInvalid: it names none.
    """
    sha256s = tuple(str(row["sha256"]) for row in run.data)
    if not sha256s:
        raise HoldInvalid("This training names no data.", fix="Hold the version that it made.")
    return Target(sha256s, f"the data of training {run.uuid}")


def target_by_name(text: str, user: User) -> Target:
    """What a line of text means: ``adapter@version``, an adapter, a training's id, or digests.

    Raises:
        HoldInvalid: it means nothing that could be held.
        RefInvalid, AdapterNotFound, VersionNotFound: the reference names nothing.
    """
    words = text.split()
    if words and all(WHOLE_SHA256.fullmatch(word) for word in words):
        return Target(tuple(words))
    if len(words) != 1:
        raise HoldInvalid(
            "This names nothing that could be held.",
            fix="Name a version (triage@v1), an adapter (triage), or digests of 64 hex digits.",
        )
    if "@" in words[0]:
        return target_of_version(selectors.version_by_ref(words[0]))
    try:
        uuid = UUID(words[0])
    except ValueError:
        return target_of_adapter(selectors.adapter_by_ref(words[0]))
    run = training_selectors.visible_runs(user).filter(uuid=uuid).first()
    if run is not None:
        return target_of_training(run)
    version = Version.objects.filter(uuid=uuid).select_related("adapter").first()
    if version is not None:
        return target_of_version(version)
    return target_of_adapter(selectors.adapter_by_ref(words[0]))
