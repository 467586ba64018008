"""Reads the facts of a record: those to freeze, and those that a stored record names, now."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from compliance.domain.policy import CURRENT
from compliance.domain.record import (
    RecordFacts,
    differences,
    is_version_bound,
    project,
)
from compliance.models import ApprovalRequest, CheckResult, EvaluationRun
from compliance.selectors.checks import latest_results
from compliance.selectors.evaluations import latest_runs, rows_sha256
from config.core.digests import canonical_json, manifest_digest, sha256_hex
from registry.models import Version
from registry.selectors import current_label, manifest


def facts_to_freeze(version: Version) -> RecordFacts:
    """What a new record of this version is made of: its newest evidence and results."""
    results = [row for row in latest_results(version).values() if is_version_bound(row.check_id)]
    return _facts(
        version,
        policy_version=CURRENT.version,
        evaluations=[evaluation_facts(run) for run in latest_runs(version)],
        checks=[check_facts(row) for row in results],
    )


def facts_named_by(version: Version, content: Mapping[str, Any]) -> RecordFacts:
    """The present state of everything that a stored record names.

    Runs and results are those that the record pins: later ones are evidence for a new revision and
    void nothing, while a changed row of a pinned one shows.
    """
    pinned = [str(row["run"]) for row in content.get("evaluations", [])]
    runs = {str(run.uuid): run for run in EvaluationRun.objects.filter(uuid__in=pinned)}
    wanted = {(str(row["check_run"]), str(row["check_id"])) for row in content.get("checks", [])}
    results = CheckResult.objects.filter(run__uuid__in={uuid for uuid, _ in wanted})
    return _facts(
        version,
        policy_version=str(content.get("policy", {}).get("version", "")),
        evaluations=[evaluation_facts(runs[uuid]) for uuid in pinned if uuid in runs],
        checks=[
            check_facts(row)
            for row in results.select_related("run").prefetch_related("findings")
            if (str(row.run.uuid), row.check_id) in wanted
        ],
    )


def current_content(request: ApprovalRequest) -> bytes:
    """The request's record as its own schema would project it from what is there now."""
    content = json.loads(request.record.content)
    facts = facts_named_by(request.version, content)
    return project(facts, schema=request.record.record_schema)


def changed_fields(request: ApprovalRequest) -> list[dict[str, Any]]:
    """Where the stored record and the present facts differ: ``{"field", "signed", "now"}``."""
    stored = request.record.content.encode()
    if sha256_hex(stored) != request.record.sha256:
        return [{"field": "record", "signed": request.record.sha256, "now": sha256_hex(stored)}]
    current = current_content(request)
    if current == stored:
        return []
    return differences(json.loads(stored), json.loads(current))


def evaluation_facts(run: EvaluationRun) -> dict[str, Any]:
    """A run's part of a record, with its rows counted and hashed anew."""
    return {
        "run": str(run.uuid),
        "set": str(run.evaluation_set),
        "set_sha256": run.evaluation_set.sha256,
        "prompt_template_sha256": run.prompt_template_sha256,
        "adapter_sha256": run.digest,
        "base_sha256": run.base_digest,
        "engine_build": run.engine_build,
        "dtype": run.dtype,
        "items": run.rows.count(),
        "correct": run.rows.filter(is_correct=True).count(),
        "rows_sha256": rows_sha256(run),
    }


def check_facts(row: CheckResult) -> dict[str, Any]:
    """A result's part of a record, its hash recomputed from the stored row and findings."""
    return {
        "check_run": str(row.run.uuid),
        "check_id": row.check_id,
        "check_version": row.check_version,
        "state": row.state,
        "result_sha256": result_sha256(row),
    }


def result_sha256(row: CheckResult) -> str:
    """The hash of a stored result, as ``compliance.domain.results`` hashes a fresh one."""
    outcome = {
        "check_id": row.check_id,
        "check_version": row.check_version,
        "policy_version": row.run.policy_version,
        "state": row.state,
        "severity": row.severity,
        "values": row.values,
        "thresholds": row.thresholds,
        "findings": [
            {
                "id": row.check_id,
                "state": finding.state,
                "severity": finding.severity,
                "message": finding.message,
                "fix": finding.fix,
                "object": finding.object,
            }
            for finding in row.findings.all()
        ],
    }
    return sha256_hex(canonical_json(outcome))


def _facts(
    version: Version,
    *,
    policy_version: str,
    evaluations: Iterable[Mapping[str, Any]],
    checks: Iterable[Mapping[str, Any]],
) -> RecordFacts:
    adapter, base, label = version.adapter, version.adapter.base_model, current_label(version)
    return RecordFacts(
        version={
            "uuid": str(version.uuid),
            "number": version.number,
            "version_name": version.version_name,
            "manifest_sha256": manifest_digest(manifest(version)),
            "digest": version.digest,
            "commit_id": version.commit_id,
        },
        adapter={
            "uuid": str(adapter.uuid),
            "ref": adapter.ref,
            "name": adapter.name,
            "safety_class": adapter.safety_class,
        },
        base={
            "slug": base.slug,
            "digest": base.digest,
            "tokenizer_sha256": str(base.facts.get("tokenizer_sha256") or ""),
            "chat_template_sha256": str(base.facts.get("chat_template_sha256") or ""),
        },
        label={
            "purpose": label.purpose if label else "",
            "population": _strata(label.population) if label else [],
            "setting": label.setting if label else "",
            "language": label.language if label else "",
            "limits": label.limits if label else "",
            "touches_phi": label.touches_phi if label else False,
        },
        policy_version=policy_version,
        evaluations=tuple(evaluations),
        checks=tuple(checks),
    )


def _strata(population: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    rows = [{str(key): str(value) for key, value in row.items()} for row in population]
    return sorted(rows, key=lambda row: sorted(row.items()))
