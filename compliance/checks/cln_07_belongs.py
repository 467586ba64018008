"""CLN-07: the evaluation belongs to exactly this version and is fresh."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar

from compliance.domain.check import EVIDENCE, Check, Judgement
from compliance.domain.evaluation import latest_runs, pooled
from compliance.domain.policy import PolicyPack
from compliance.domain.results import Finding
from compliance.domain.snapshot import FOLDER, EvaluationSection, IdentitySection, Snapshot

CLOCK_TOLERANCE = timedelta(minutes=5)


class BelongsCheck(Check):
    """Digests of adapter, base, tokenizer and template; engine, dtype, age, recomputed metric."""

    id: ClassVar[str] = "CLN-07"
    title: ClassVar[str] = "Evaluation belongs to this version and is fresh"
    authority: ClassVar[str] = "21 CFR 11.10(a); ISO 13485 7.3.6-7.3.7"
    is_waivable: ClassVar[bool] = False
    tags: ClassVar[frozenset[str]] = frozenset({EVIDENCE})

    def judge(self, snapshot: Snapshot, policy: PolicyPack) -> Judgement:
        """Every run that counts, that is the last one on each set."""
        identity, now = snapshot["identity"], snapshot["now"]
        if snapshot["scope"] == FOLDER:
            return Judgement(
                (
                    self.not_applicable(
                        "Evaluations belong to a registered version; this is a folder.",
                        fix="Register the version and evaluate it on a node.",
                        object="evaluation",
                    ),
                )
            )
        runs = latest_runs(snapshot["evaluations"])
        if not runs or identity is None or now is None:
            return Judgement(
                (
                    self.lacking(
                        "The version has not been evaluated.",
                        fix="Run the evaluation sets of its policy on a node.",
                        object="evaluation",
                    ),
                )
            )
        findings: list[Finding] = []
        for run in runs:
            findings += self._identity(run, identity) + self._age(run, now, policy)
            findings += self._metric(run, policy)
        if not findings:
            findings.append(
                self.passed(
                    f"{len(runs)} evaluations ran on this version, its base and its template.",
                    object="evaluation",
                )
            )
        return Judgement(
            tuple(findings),
            {
                "runs": [
                    {"run": run["run"], "set": _set(run), "finished_at": run["finished_at"]}
                    for run in runs
                ]
            },
            {"age_days": policy.evaluation_age_days, "metric_codes": list(policy.metric_codes)},
        )

    def _identity(self, run: EvaluationSection, identity: IdentitySection) -> list[Finding]:
        pairs = (
            ("adapter", run["adapter_sha256"], identity["adapter_sha256"]),
            ("base", run["base_sha256"], identity["base_sha256"]),
            ("tokenizer", run["tokenizer_sha256"], identity["tokenizer_sha256"]),
            (
                "prompt template",
                run["prompt_template_sha256"],
                identity["prompt_templates"].get(run["set_sha256"], ""),
            ),
        )
        findings = [
            self.failed(
                f"Evaluation {_set(run)} ran on {what} {ran[:12] or 'unknown'}, this version has "
                f"{wanted[:12] or 'none'}.",
                fix="Run the evaluation again on this version.",
                object=f"evaluation:{run['run']}",
            )
            for what, ran, wanted in pairs
            if not ran or ran != wanted
        ]
        for what, ran, wanted in (
            ("engine build", run["engine_build"], identity["engine_build"]),
            ("dtype", run["dtype"], identity["dtype"]),
        ):
            if wanted and ran != wanted:
                findings.append(
                    self.failed(
                        f"Evaluation {_set(run)} ran with {what} {ran or 'unknown'}, the version "
                        f"is to be served with {wanted}.",
                        fix="Run the evaluation again on a node of that kind.",
                        object=f"evaluation:{run['run']}",
                    )
                )
        return findings

    def _age(self, run: EvaluationSection, now: str, policy: PolicyPack) -> list[Finding]:
        finished, moment = _moment(run["finished_at"]), _moment(now)
        where = f"evaluation:{run['run']}"
        if finished > moment + CLOCK_TOLERANCE:
            return [
                self.failed(
                    f"Evaluation {_set(run)} is dated in the future ({run['finished_at']}).",
                    fix="Set the clocks right and run it again.",
                    object=where,
                )
            ]
        if moment - finished > timedelta(days=policy.evaluation_age_days):
            return [
                self.failed(
                    f"Evaluation {_set(run)} of {run['finished_at'][:10]} is older than "
                    f"{policy.evaluation_age_days} days.",
                    fix="Run the evaluation again.",
                    object=where,
                )
            ]
        return []

    def _metric(self, run: EvaluationSection, policy: PolicyPack) -> list[Finding]:
        where = f"evaluation:{run['run']}"
        if run["metric_code"] not in policy.metric_codes:
            return [
                self.failed(
                    f"Evaluation {_set(run)} was graded by {run['metric_code'] or 'nothing'}, "
                    "which this policy does not know.",
                    fix="Run it again with a grader that the policy names.",
                    object=where,
                )
            ]
        outcomes = pooled([run]).values()
        right, items = sum(item.is_right for item in outcomes), len(run["rows"])
        if (right, items) == (run["correct"], run["items"]) and len(outcomes) == items:
            return []
        return [
            self.failed(
                f"Evaluation {_set(run)} says {run['correct']} of {run['items']}, its rows say "
                f"{right} of {items}.",
                fix="Do not use it; run it again and open an incident.",
                object=where,
            )
        ]


def _set(run: EvaluationSection) -> str:
    return f"{run['set_name']} {run['set_version']}"


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
