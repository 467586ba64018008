"""Snapshots of evaluated versions, made of counts."""

from collections.abc import Mapping, Sequence
from typing import Any

from compliance.domain.evaluation import METRIC_CODE
from compliance.domain.snapshot import (
    EvaluationSection,
    IdentitySection,
    Row,
    Snapshot,
    Stratum,
    assemble,
)

ADULT: Stratum = {"attribute": "age_group", "level": "adult", "name": "adults"}
CHILD: Stratum = {"attribute": "age_group", "level": "child", "name": "children"}
NOW = "2026-03-01T12:00:00Z"
IDENTITY: IdentitySection = {
    "adapter_sha256": "a" * 64,
    "base_sha256": "b" * 64,
    "tokenizer_sha256": "c" * 64,
    "prompt_templates": {},
    "engine_build": "torch-1",
    "dtype": "float32",
}


def rows(
    level: str | None, right: int, n: int, *, classes: Sequence[str] = ("x", "y")
) -> list[Row]:
    """n items of one age group of which the first ``right`` are right."""
    return [
        {
            "item": f"{level}-{index:04}",
            "expected": classes[index % len(classes)],
            "given": classes[(index + (index >= right)) % len(classes)],
            "groups": {"age_group": level},
        }
        for index in range(n)
    ]


def evaluation(name: str, content: Sequence[Row], **changes: Any) -> EvaluationSection:
    """A run on a set of that name, as it is recorded."""
    run: EvaluationSection = {
        "run": f"run-{name}",
        "set_name": name,
        "set_version": "1",
        "set_sha256": name.encode().hex().ljust(64, "0"),
        "finished_at": "2026-02-01T00:00:00Z",
        "adapter_sha256": "a" * 64,
        "base_sha256": "b" * 64,
        "tokenizer_sha256": "c" * 64,
        "prompt_template_sha256": "d" * 64,
        "engine_build": "torch-1",
        "dtype": "float32",
        "metric_code": METRIC_CODE,
        "correct": sum(row["given"] == row["expected"] for row in content),
        "items": len(content),
        "rows": list(content),
    }
    return {**run, **changes}  # type: ignore[typeddict-item]


def version(
    evaluations: Sequence[EvaluationSection],
    *,
    strata: Sequence[Stratum] = (ADULT, CHILD),
    safety_class: str = "A",
    old: Sequence[EvaluationSection] | None = None,
    label: Mapping[str, Any] | None = None,
    identity: IdentitySection = IDENTITY,
    now: str = NOW,
) -> Snapshot:
    """A registered version with these evaluations, that would replace ``old``."""
    templates = {run["set_sha256"]: "d" * 64 for run in evaluations}
    return assemble(
        package=None,
        base=None,
        label={
            "safety_class": safety_class,
            "task_kind": "classification",
            "strata": list(strata),
            **(label or {}),  # type: ignore[typeddict-item]
        },
        identity={**identity, "prompt_templates": templates},
        evaluations=evaluations,
        replaced=None
        if old is None
        else {"version": "triage@000000000000", "evaluations": list(old), "updates": []},
        now=now,
    )


def adults_and_children(adults: int, children: int) -> list[EvaluationSection]:
    """Runs on 120 adults and 60 children with so many right."""
    return [
        evaluation("adults", rows("adult", adults, 120)),
        evaluation("children", rows("child", children, 60)),
    ]
