"""Reads the registry and the evaluations into the sections of a snapshot."""

import json
from collections.abc import Iterable

from compliance.domain.adapter import scaled_updates
from compliance.domain.snapshot import (
    BaseSection,
    EvaluationSection,
    IdentitySection,
    LabelSection,
    PackageFacts,
    RegisteredSection,
    ReplacedSection,
    Snapshot,
    Stratum,
    UpdateFacts,
    assemble,
    base_section,
)
from compliance.models import CheckRun, EvaluationRun
from compliance.selectors.evaluations import latest_runs
from compliance.states import RunState
from config.core import clock
from registry.domain.base_folder import BaseFacts
from registry.models import BaseModel, Version
from registry.selectors import current_label, live_version, manifest


def package_snapshot(version: Version, package: PackageFacts) -> Snapshot:
    """What the package checks see."""
    return assemble(
        package=package,
        base=base_of(version.adapter.base_model),
        registered=registered_of(version),
        replaced=replaced_of(version, with_evaluations=False),
    )


def evidence_snapshot(version: Version) -> Snapshot:
    """What the evidence checks see."""
    runs = latest_runs(version)
    return assemble(
        package=None,
        base=base_of(version.adapter.base_model),
        label=label_of(version),
        identity=_identity(version, runs),
        evaluations=[evaluation_of(run) for run in runs],
        replaced=replaced_of(version, with_evaluations=True),
        now=clock.isoformat(clock.now()),
    )


def base_of(base: BaseModel) -> BaseSection:
    """The base's section."""
    return base_section(BaseFacts.from_json(base.facts), names=base.known_names)


def label_of(version: Version) -> LabelSection | None:
    """The part of the current label that checks need, or None."""
    label = current_label(version)
    if label is None:
        return None
    strata: list[Stratum] = []
    for stratum in label.population:
        row: Stratum = {
            "attribute": str(stratum.get("attribute", "")),
            "level": str(stratum.get("level", "")),
            "name": str(stratum.get("name", "")),
        }
        if stratum.get("target_share"):
            row["target_share"] = str(stratum["target_share"])
        strata.append(row)
    return {
        "safety_class": version.adapter.safety_class,
        "task_kind": "classification",
        "strata": strata,
    }


def registered_of(version: Version) -> RegisteredSection:
    """What was written down when the version was made."""
    return {
        "manifest_sha256": version.digest,
        "files": [
            {"path": path, "sha256": sha256, "size_bytes": size_bytes}
            for path, sha256, size_bytes in manifest(version)
        ],
        "base_sha256": version.adapter.base_model.digest,
    }


def replaced_of(version: Version, *, with_evaluations: bool) -> ReplacedSection | None:
    """The live version of the same adapter, unless it is this one."""
    live = live_version(version.adapter)
    if live is None or live.pk == version.pk or live.digest == version.digest:
        return None
    runs = latest_runs(live) if with_evaluations else []
    return {
        "version": live.runtime_name,
        "evaluations": [evaluation_of(run) for run in runs],
        "updates": [] if with_evaluations else updates_of(live),
    }


def evaluation_of(run: EvaluationRun) -> EvaluationSection:
    """A recorded run with its rows."""
    rows = run.rows.order_by("index").values("item_sha256", "expected", "given", "groups")
    return {
        "run": str(run.uuid),
        "set_name": run.evaluation_set.name,
        "set_version": run.evaluation_set.version_name,
        "set_sha256": run.evaluation_set.sha256,
        "finished_at": clock.isoformat(run.finished_at) if run.finished_at else "",
        "adapter_sha256": run.digest,
        "base_sha256": run.base_digest,
        "tokenizer_sha256": run.tokenizer_sha256,
        "prompt_template_sha256": run.prompt_template_sha256,
        "engine_build": run.engine_build,
        "dtype": run.dtype,
        "metric_code": run.metric_code,
        "correct": run.correct_count,
        "items": run.rows_done,
        "rows": [
            {
                "item": row["item_sha256"],
                "expected": row["expected"],
                "given": row["given"],
                "groups": row["groups"],
            }
            for row in rows
        ],
    }


def _identity(version: Version, runs: Iterable[EvaluationRun]) -> IdentitySection:
    base = version.adapter.base_model
    listed = sorted(runs, key=lambda run: (run.finished_at or run.requested_at, run.pk))
    newest = listed[-1] if listed else None
    return {
        "adapter_sha256": version.digest,
        "base_sha256": base.digest,
        "tokenizer_sha256": str(base.facts.get("tokenizer_sha256", "")),
        "prompt_templates": {
            run.evaluation_set.sha256: run.evaluation_set.prompt_template_sha256 for run in listed
        },
        # All sets must have run on one kind of engine: that of the newest run.
        "engine_build": newest.engine_build if newest else "",
        "dtype": newest.dtype if newest else "",
    }


def updates_of(version: Version) -> list[UpdateFacts]:
    """The updates that the last package checks of a version measured, with their scales."""
    run = (
        CheckRun.objects.filter(version=version, kind=CheckRun.Kind.PACKAGE, state=RunState.DONE)
        .order_by("-pk")
        .first()
    )
    if run is None:
        return []
    snapshot: Snapshot = json.loads(run.snapshot)
    package, base = snapshot["package"], snapshot["base"]
    return scaled_updates(package, base) if package and base else []
