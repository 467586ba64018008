"""Everything that the page of one version shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from compliance.domain.results import HARMLESS, Severity
from compliance.models import (
    ApprovalRequest,
    CheckResult,
    CheckRun,
    EvaluationSet,
    Permission,
    Stop,
)
from compliance.selectors import (
    Comparison,
    VerifiedSignature,
    is_blocking,
    latest_results,
    verify_signatures,
)
from compliance.states import Purpose, RunState
from config.console.selectors import results
from config.console.selectors.files import FileLine, file_lines
from config.console.selectors.holds import Kept, kept_of_version
from config.console.selectors.reach import Reach, reach_of
from config.console.verdicts import Facts, Verdict, verdict
from registry.models import Label, Version
from registry.selectors import current_label, files_of, live_version
from serving.models import Deployment, Replica, Rollout
from serving.selectors.downloads import Holder, holders_of
from serving.states import OPEN_ROLLOUT_STATES


@dataclass(frozen=True)
class FindingLine:
    """A finding in words, and who may do something about it.

    ``link``: the part of the page where that is done: upload, evaluate or label.
    """

    check_id: str
    title: str
    state: str
    message: str
    fix: str
    object: str
    who: str = ""
    link: str = ""


@dataclass
class VersionPage:
    """The page's facts; one object for the template."""

    version: Version
    label: Label | None
    live: Version | None
    live_label: Label | None
    verdict: Verdict
    blocking: list[FindingLine]
    warnings: list[FindingLine]
    passed: list[FindingLine]
    runs: list[CheckRun]
    sets: list[results.SetResult]
    overall: list[results.Rate]
    comparison: Comparison | None
    newly_wrong: int
    evaluation_sets: list[EvaluationSet]
    files: list[Any]
    request: ApprovalRequest | None
    signatures: list[VerifiedSignature]
    due: str
    permission: Permission | None
    stop: Stop | None
    rollouts: list[Rollout]
    under_way: list[Rollout]
    deployments: list[Deployment]
    replicas: list[Replica]
    reach: Reach
    holders: Sequence[Holder]
    kept: Kept
    changes: list[dict[str, Any]] = field(default_factory=list)
    changed_files: list[FileLine] = field(default_factory=list)

    @property
    def is_stopped(self) -> bool:
        """Whether a stop of this digest is open."""
        return self.stop is not None

    @property
    def has_newer_evidence(self) -> bool:
        """Whether something was checked after the newest record was frozen."""
        asked = self.request.requested_at if self.request else None
        return asked is None or any(
            run.finished_at is not None and run.finished_at > asked for run in self.runs
        )

    @property
    def why_no_rollout(self) -> str:
        """Why no deployment can take this version now; empty where one can."""
        if not self.deployments:
            return _("No deployment serves this adapter yet.")
        busy = {rollout.deployment_id for rollout in self.under_way}
        live = {
            row.pk
            for row in self.deployments
            if row.stable_revision and row.stable_revision.digest == self.version.digest
        }
        free = [row for row in self.deployments if row.pk not in busy | live]
        if free:
            return ""
        return (
            _("A rollout is under way; there is one at a time.")
            if busy
            else _("It is live already.")
        )

    @property
    def label_changes(self) -> list[dict[str, Any]]:
        """Where the label differs from the live version's."""
        mine, other = label_facts(self.label), label_facts(self.live_label)
        return config_changes(other, mine) if self.live else []

    @property
    def compared_rates(self) -> list[results.Rate]:
        """Results that the live version has too."""
        every = self.overall or [rate for found in self.sets for rate in found.rates]
        return [rate for rate in every if rate.live]

    @property
    def signing_lines(self) -> list[dict[str, Any]]:
        """Each signature that is asked for, with the one that is there."""
        meanings = self.request.required_meanings if self.request else []
        lines = []
        for index, meaning in enumerate(meanings):
            there = self.signatures[index] if index < len(self.signatures) else None
            is_due = index == len(self.signatures) and bool(self.due)
            lines.append({"meaning": meaning, "verified": there, "is_due": is_due})
        return lines

    @property
    def short_facts(self) -> list[tuple[str, Any]]:
        """Rank, alpha and targets, as far as the package says."""
        facts = self.version.peft_facts
        named = (("rank", "rank"), ("alpha", "alpha"), ("on", "target_modules"))
        return [(name, facts[key]) for name, key in named if facts.get(key) is not None]


def version_page(version: Version) -> VersionPage:
    """Read it all; the number of queries does not depend on how much there is."""
    label, live = current_label(version), live_version(version.adapter)
    if live is not None and live.digest == version.digest:
        live = None
    check_runs = _check_runs(version)
    lines = _lines(latest_results(version))
    sets, overall, compared = _results(version, live)
    request = (
        ApprovalRequest.objects.filter(version=version)
        .select_related("requested_by__person", "record")
        .order_by("-revision")
        .first()
    )
    signatures = verify_signatures(request) if request else []
    stop = Stop.objects.filter(digest=version.digest, released_at__isnull=True).select_related(
        "issued_by__person", "release_asked_by__person"
    )
    deployments = list(
        Deployment.objects.filter(adapter=version.adapter).select_related("stable_revision")
    )
    rollouts = list(
        Rollout.objects.filter(
            Q(to_revision__digest=version.digest) | Q(from_revision__digest=version.digest)
        ).select_related("deployment", "to_revision__version", "from_revision__version")[:20]
    )
    replicas = list(
        Replica.objects.filter(digest=version.digest).select_related("node").order_by("node__name")
    )
    page = VersionPage(
        version=version,
        label=label,
        live=live,
        live_label=current_label(live) if live else None,
        verdict=Verdict("", "", ""),
        blocking=lines["blocking"],
        warnings=lines["warning"],
        passed=lines["passed"],
        runs=check_runs,
        sets=sets,
        overall=overall,
        comparison=compared[0] if compared else None,
        newly_wrong=compared[1] if compared else 0,
        evaluation_sets=list(EvaluationSet.objects.order_by("name", "version_name")[:100]),
        files=files_of(version),
        request=request,
        signatures=signatures,
        due=_due(request, signatures),
        permission=Permission.objects.filter(
            version=version, purpose=Purpose.SERVE, ended_at__isnull=True
        ).first(),
        stop=stop.first(),
        rollouts=rollouts,
        under_way=list(
            Rollout.objects.filter(
                deployment__in=deployments, state__in=OPEN_ROLLOUT_STATES
            ).select_related("deployment")
        ),
        deployments=deployments,
        replicas=replicas,
        reach=reach_of(version.digest),
        holders=holders_of(version.digest),
        kept=kept_of_version(version),
    )
    page.verdict = verdict(_facts(page))
    if live:
        page.changes = config_changes(live.peft_facts, version.peft_facts)
        page.changed_files = [line for line in file_lines(live, version) if line.is_changed]
    return page


def _check_runs(version: Version) -> list[CheckRun]:
    rows = CheckRun.objects.filter(
        version=version, kind__in=[CheckRun.Kind.PACKAGE, CheckRun.Kind.EVIDENCE]
    ).defer("snapshot")
    newest: dict[str, CheckRun] = {}
    for row in rows.order_by("pk"):
        newest[row.kind] = row
    return sorted(newest.values(), key=lambda row: row.kind, reverse=True)


def _lines(found: Mapping[str, CheckResult]) -> dict[str, list[FindingLine]]:
    lines: dict[str, list[FindingLine]] = {"blocking": [], "warning": [], "passed": []}
    for result in found.values():
        for finding in result.findings.all():
            who, link = _who(result.check_id)
            is_open = finding.state not in HARMLESS
            line = FindingLine(
                check_id=result.check_id,
                title=result.title,
                state=finding.state,
                message=finding.message,
                fix=finding.fix if is_open else "",
                object=finding.object,
                who=who if is_open else "",
                link=link if is_open else "",
            )
            if not is_open:
                lines["passed"].append(line)
            elif finding.severity == Severity.BLOCKING and is_blocking(result):
                lines["blocking"].append(line)
            else:
                lines["warning"].append(line)
    return lines


def _who(check_id: str) -> tuple[str, str]:
    if check_id == "CLN-04":
        return _("An ML engineer evaluates that population, or narrows the label."), "label"
    if check_id.startswith("CLN"):
        return _("An ML engineer requests an evaluation or uploads a better version."), "evaluate"
    return _("The author uploads a mended version."), "upload"


def _results(
    version: Version, live: Version | None
) -> tuple[list[results.SetResult], list[results.Rate], tuple[Comparison, int] | None]:
    versions = [version, live] if live else [version]
    runs = results.newest_runs(versions)
    done = results.newest_runs(versions, states=results.DONE)
    items = results.items_of(run for by_set in done.values() for run in by_set.values())
    own = items.get(version.digest, results.Items({}))
    other = items.get(live.digest, results.Items({})) if live else results.Items({})
    sets = []
    for set_id, run in sorted(
        runs.get(version.digest, {}).items(), key=lambda pair: str(pair[1].evaluation_set)
    ):
        outcome = results.rates(own.by_set.get(set_id, {}), other.by_set.get(set_id))
        sets.append(results.SetResult(str(run.evaluation_set), run, outcome))
    overall = results.rates(own.pooled, other.pooled) if len(own.by_set) > 1 else []
    return sets, overall, results.comparison(own, other) if live else None


def _due(request: ApprovalRequest | None, signatures: list[VerifiedSignature]) -> str:
    if request is None or request.state != "open":
        return ""
    left = request.required_meanings[len(signatures) :]
    return str(left[0]) if left else ""


def _facts(page: VersionPage) -> Facts:
    request, stop = page.request, page.stop
    is_evaluated = any(result.run.state == RunState.DONE for result in page.sets)
    others = [line for line in page.blocking if not line.check_id.startswith("CLN")]
    return Facts(
        stopped_at=stop.issued_at if stop else None,
        stop_reason=stop.reason if stop else "",
        runs=[(run.kind, run.state) for run in page.runs],
        blocked_by=sorted({f"{line.title} ({line.check_id})" for line in page.blocking}),
        lacks_evaluation=not is_evaluated and not others,
        is_package_blocked=bool(others),
        evaluating=[
            str(result.run.evaluation_set)
            for result in page.sets
            if result.run.state in {RunState.WAITING, RunState.RUNNING}
        ],
        request_state=request.state if request else "",
        closed_reason=request.closed_reason if request else "",
        signed=len(page.signatures),
        needed=len(request.required_meanings) if request else 0,
        next_meaning=page.due,
        is_permitted=page.permission is not None,
        live_in=[
            row.public_name
            for row in page.deployments
            if row.stable_revision and row.stable_revision.digest == page.version.digest
        ],
        canary_in=[
            (row.deployment.public_name, row.weight_percent)
            for row in page.rollouts
            if row.state in OPEN_ROLLOUT_STATES and row.to_revision.digest == page.version.digest
        ],
    )


def label_facts(label: Label | None) -> dict[str, Any]:
    """A label's fields as they are compared; empty where there is none."""
    if label is None:
        return {}
    return {
        "purpose": label.purpose,
        "population": [f"{row.get('attribute')}: {row.get('level')}" for row in label.population],
        "setting": label.setting,
        "language": label.language,
        "limits": label.limits,
        "touches_phi": label.touches_phi,
    }


def config_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Where two PEFT configurations differ."""
    return [
        {"field": name, "was": old.get(name), "now": new.get(name)}
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
