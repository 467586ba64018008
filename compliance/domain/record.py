"""The record that is signed: facts of a version, projected by a numbered schema, as bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from config.core.digests import canonical_json, sha256_hex

Projection = Callable[["RecordFacts"], dict[str, Any]]

VERSION_BOUND = ("TEC-", "SEC-", "CLN-", "HIP-01", "HIP-02", "HIP-03", "FDA-")
"""Checks on the version itself; the others are live gates and never part of a record."""


@dataclass(frozen=True, kw_only=True)
class RecordFacts:
    """What a record may be made of. A later schema takes more of it; an old one never does.

    ``version``: uuid, number, version_name, manifest_sha256 (recomputed from the files).
    ``adapter``: uuid, ref, safety_class. ``base``: slug, digest, tokenizer and template hashes.
    ``label``: purpose, population, setting, language, limits, touches_phi.
    ``evaluations``: the deciding runs, ``checks``: the results that the record names.
    """

    version: Mapping[str, Any]
    adapter: Mapping[str, Any]
    base: Mapping[str, Any]
    label: Mapping[str, Any]
    policy_version: str
    evaluations: tuple[Mapping[str, Any], ...]
    checks: tuple[Mapping[str, Any], ...]


def _take(source: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: source[name] for name in names}


def project_1(facts: RecordFacts) -> dict[str, Any]:
    """Schema 1: the version, its base, label and class, its policy, evidence and results."""
    return {
        "record_schema": 1,
        "record_type": "adapter_version",
        "version": _take(facts.version, "uuid", "number", "version_name", "manifest_sha256"),
        "adapter": _take(facts.adapter, "uuid", "ref", "safety_class"),
        "base": _take(facts.base, "slug", "digest", "tokenizer_sha256", "chat_template_sha256"),
        "label": _take(
            facts.label, "purpose", "population", "setting", "language", "limits", "touches_phi"
        ),
        "policy": {"version": facts.policy_version},
        "evaluations": [
            _take(
                run, "run", "set", "set_sha256", "prompt_template_sha256", "adapter_sha256",
                "base_sha256", "engine_build", "dtype", "items", "correct", "rows_sha256",
            )
            for run in sorted(facts.evaluations, key=lambda run: (run["set"], run["run"]))
        ],
        "checks": [
            _take(result, "check_id", "check_version", "state", "result_sha256", "check_run")
            for result in sorted(facts.checks, key=lambda result: result["check_id"])
        ],
    }  # fmt: skip


PROJECTIONS: dict[int, Projection] = {1: project_1}
"""Every schema that a stored record may have. Schemas are added, never changed or removed."""


def current_schema() -> int:
    """The schema by which a record is frozen now."""
    return max(PROJECTIONS)


def project(facts: RecordFacts, *, schema: int) -> bytes:
    """The canonical bytes of the record under ``schema``.

    Raises:
        KeyError: there is no such schema.
    """
    return canonical_json(PROJECTIONS[schema](facts))


def record_sha256(content: bytes) -> str:
    """The record's hash."""
    return sha256_hex(content)


def is_version_bound(check_id: str) -> bool:
    """Whether a check's result belongs into a record."""
    return check_id.startswith(VERSION_BOUND)


def differences(stored: Any, current: Any, where: str = "") -> list[dict[str, Any]]:
    """Where two records differ: ``{"field", "signed", "now"}`` for each place, by path."""
    if isinstance(stored, Mapping) and isinstance(current, Mapping):
        return [
            row
            for name in sorted({*stored, *current})
            for row in differences(stored.get(name), current.get(name), f"{where}.{name}")
        ]
    if isinstance(stored, list) and isinstance(current, list) and len(stored) == len(current):
        return [
            row
            for index, pair in enumerate(zip(stored, current, strict=True))
            for row in differences(*pair, f"{where}[{index}]")
        ]
    if stored == current:
        return []
    return [{"field": where.lstrip(".") or "record", "signed": stored, "now": current}]
