"""Computes a model's scores from what the registry knows; what it doesn't know is left out."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from config.core.object_store import store_failures
from registry.domain import scores as rules
from registry.domain.artifacts import UNKNOWN_LICENCE
from registry.domain.packages import WEIGHTS_FILE
from registry.models import Adapter, AliasMove, Blob, Version, VersionFile
from registry.selectors import LIVE, current_label
from registry.services import blobs


@dataclass(frozen=True)
class Scored:
    """The licence, scores 0…1 by name, and for each how many milliseconds it took."""

    licence: str
    scores: dict[str, float]
    latency_ms: dict[str, int]


def look(found: Iterable[Blob]) -> dict[int, bool]:
    """Blob → whether the store has its bytes now; left out where the store doesn't say."""
    stored: dict[int, bool] = {}
    for blob in found:
        with suppress(*store_failures()):
            stored[blob.pk] = blobs.is_stored(blob)
    return stored


def compute(*, name: str, files: Mapping[str, Blob], stored: Mapping[int, bool]) -> Scored:
    """Score the model ``name`` whose artifacts of each type are ``files``; ``stored``: ``look``'s.

    Its version is the one whose weights are these very bytes; its adapter that version's, or the
    one whose reference is the name.
    """
    version = _version_of(files.get("model"))
    adapter = version.adapter if version else _adapter_named(name)
    licence = (adapter.base_model.licence if adapter else "") or UNKNOWN_LICENCE
    scored = Scored(licence, {}, {})
    add(scored, "License", lambda: rules.licence(licence))
    add(scored, "Availability", lambda: _availability(files, stored))
    if "model" in files:
        add(scored, "Size", lambda: rules.size(files["model"].size_bytes))
    if adapter is not None:
        add(scored, "BusFactor", lambda: _bus_factor(adapter))
    if version is not None:
        add(scored, "Reproducibility", lambda: _reproducibility(version, files))
        add(scored, "RampUp", lambda: _ramp_up(version))
        add(scored, "Reviewedness", lambda: _reviewedness(version))
    return scored


def add(scored: Scored, name: str, compute: Callable[[], float | None]) -> None:
    """Compute one score and how long that took; None is no score."""
    begun = time.perf_counter()
    score = compute()
    if score is not None:
        scored.scores[name] = score
        scored.latency_ms[name] = round((time.perf_counter() - begun) * 1000)


def _version_of(model: Blob | None) -> Version | None:
    if model is None:
        return None
    rows = VersionFile.objects.filter(blob=model, path=WEIGHTS_FILE)
    found = rows.select_related("version__adapter__base_model").order_by("-version").first()
    return found.version if found else None


def _adapter_named(name: str) -> Adapter | None:
    namespace, _, slug = name.rpartition(":")
    rows = Adapter.objects.select_related("base_model")
    return rows.filter(namespace=namespace or "default", slug=slug).first()


def _availability(files: Mapping[str, Blob], stored: Mapping[int, bool]) -> float | None:
    if any(blob.pk not in stored for blob in files.values()):
        return None
    return rules.availability([stored[blob.pk] for blob in files.values()])


def _bus_factor(adapter: Adapter) -> float | None:
    people = Version.objects.filter(adapter=adapter, submitted_by__person__isnull=False)
    count = people.values("submitted_by__person").distinct().count()
    return rules.bus_factor(count) if count else None


def _reproducibility(version: Version, files: Mapping[str, Blob]) -> float:
    return rules.reproducibility(
        has_code="code" in files,
        has_dataset="dataset" in files,
        has_parameters="rank" in version.peft_facts and "alpha" in version.peft_facts,
    )


def _ramp_up(version: Version) -> float:
    return rules.ramp_up(
        paths=list(VersionFile.objects.filter(version=version).values_list("path", flat=True)),
        has_description=bool(version.adapter.description.strip()),
        has_label=current_label(version) is not None,
    )


def _reviewedness(version: Version) -> float | None:
    """1 once a version has been live, which takes its reviews; before that we don't know."""
    moves = AliasMove.objects.filter(adapter=version.adapter, name=LIVE, to_version=version)
    return 1.0 if moves.exists() else None
