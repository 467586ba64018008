"""What waits for a person, what is live, and what is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, OuterRef, Q, Subquery
from django.utils.translation import gettext as _

from compliance.models import ApprovalRequest, CheckRun, Signature, Stop
from compliance.states import ApprovalState, RunState
from config.accounts.models import User
from config.accounts.roles import Act
from config.console import words
from config.console.access import Access
from config.console.selectors.alerts import ShownAlert, shown
from config.console.selectors.blocked import finished_runs, newest_blocked
from config.core import clock
from registry.models import Version
from serving.models import Answer, Deployment, Feedback, Node, Rollout
from serving.selectors.alerts import open_alerts
from serving.states import OPEN_ROLLOUT_STATES

SPARK_BUCKETS = 24
SPARK_HOURS = 24
LIMIT = 50

_ACT_OF = {
    "reviewed_technical": Act.SIGN_REVIEW_TECHNICAL,
    "reviewed_clinical": Act.SIGN_REVIEW_CLINICAL,
    "reviewed_privacy": Act.SIGN_REVIEW_PRIVACY,
    "approved": Act.SIGN_APPROVE,
}


@dataclass(frozen=True)
class Waiting:
    """Something that waits: ``url_name`` and ``uuid`` lead there."""

    text: str
    more: str
    since: datetime
    icon: str
    url_name: str
    uuid: Any


@dataclass(frozen=True)
class Alert:
    """Something that is wrong, and where to look."""

    text: str
    more: str
    tone: str
    icon: str
    since: datetime | None = None
    url_name: str = ""
    argument: Any = None


@dataclass(frozen=True)
class Live:
    """A deployment with what it did in the last day."""

    deployment: Deployment
    version: Version | None
    rollout: Rollout | None
    answers: list[int]
    failures: list[int]
    reported: int

    @property
    def answers_count(self) -> int:
        """Answers that clients got in the window."""
        return sum(self.answers)

    @property
    def failures_count(self) -> int:
        """Answers that were not in order."""
        return sum(self.failures)


@dataclass(frozen=True)
class Today:
    """The page's facts."""

    queue: list[Waiting]
    others: list[Waiting]
    live: list[Live]
    rollouts: list[Rollout]
    watched: list[ShownAlert]
    alerts: list[Alert]
    nodes: list[Node]
    sentence: str


def today(access: Access) -> Today:
    """Read it all in a fixed number of queries."""
    queue, others = _signatures(access)
    queue += _mine_to_mend(access)
    rollouts = list(
        Rollout.objects.filter(state__in=OPEN_ROLLOUT_STATES).select_related(
            "deployment", "to_revision__version__adapter", "from_revision__version"
        )[:LIMIT]
    )
    nodes = list(Node.objects.select_related("base_model").order_by("name")[:LIMIT])
    # That serving is held has a card of its own here.
    watched = shown(row for row in open_alerts() if row.rule != "serving_held")
    alerts = [*_stop_alerts(), *_blocked_alerts()]
    queue.sort(key=lambda item: item.since)
    return Today(
        queue=queue,
        others=sorted(others, key=lambda item: item.since),
        live=_live(rollouts),
        rollouts=rollouts,
        watched=watched,
        alerts=alerts,
        nodes=nodes,
        sentence=_sentence(queue, [*watched, *alerts], rollouts),
    )


def _sentence(
    queue: Sequence[Waiting], alerts: Sequence[Alert | ShownAlert], rollouts: Sequence[Rollout]
) -> str:
    waits = (
        _("%(queue)s for you") % {"queue": words.counted(len(queue), "thing waits", "things wait")}
        if queue
        else _("Nothing waits for you")
    )
    bad = sum(alert.tone == "bad" for alert in alerts)
    wrong = (
        f"{words.counted(bad, 'thing is', 'things are')} wrong" if bad else _("nothing is wrong")
    )
    joint = "and" if bool(queue) == bool(bad) else "but"
    said = f"{waits}, {joint} {wrong}."
    if rollouts:
        said += _(" %(rollouts)s under way.") % {
            "rollouts": words.counted(len(rollouts), "rollout is", "rollouts are")
        }
    return said


def _signatures(access: Access) -> tuple[list[Waiting], list[Waiting]]:
    """Open requests: those that this account could sign next, and the others."""
    user = access.user
    requests = (
        ApprovalRequest.objects.filter(state=ApprovalState.OPEN)
        .select_related("version__adapter__owner", "version__submitted_by", "requested_by__person")
        .prefetch_related("signatures")
        .order_by("pk")[:LIMIT]
    )
    mine: list[Waiting] = []
    others: list[Waiting] = []
    for request in requests:
        signatures = list(request.signatures.all())
        signed = len(signatures)
        due = request.required_meanings[signed : signed + 1]
        if not due:
            continue
        meaning = words.MEANING.get(due[0], due[0])
        item = Waiting(
            text=f"{request.version}: {meaning.lower()}",
            more=_("Asked for by %(requested_by)s; signature %(value)s of %(required_meanings)s.")
            % {
                "requested_by": request.requested_by,
                "value": signed + 1,
                "required_meanings": len(request.required_meanings),
            },
            since=request.requested_at,
            icon="draw",
            url_name="admin:sign",
            uuid=request.uuid,
        )
        act = _ACT_OF.get(due[0])
        by_me = any(row.person_id == user.person_id for row in signatures)
        is_mine = act is not None and access.may(act) and not by_me
        (mine if is_mine and not _is_author(request, user) else others).append(item)
    return mine, others


def _is_author(request: ApprovalRequest, user: User) -> bool:
    makers = (request.version.submitted_by, request.version.adapter.owner)
    return any(
        maker.pk == user.pk or (maker.person_id is not None and maker.person_id == user.person_id)
        for maker in makers
    )


def _mine_to_mend(access: Access) -> list[Waiting]:
    """Own newest versions that a check blocks, or that could be put before people now."""
    if not access.may(Act.SUBMIT):
        return []
    newest_run = CheckRun.objects.filter(
        version=OuterRef("pk"), kind__in=["package", "evidence"], state=RunState.DONE
    ).order_by("-pk")
    versions = (
        Version.objects.filter(submitted_by=access.user)
        .select_related("adapter")
        .annotate(
            is_blocked=Subquery(newest_run.values("is_blocked")[:1]),
            kind=Subquery(newest_run.values("kind")[:1]),
            checked_at=Subquery(newest_run.values("finished_at")[:1]),
            requests=Subquery(
                ApprovalRequest.objects.filter(version=OuterRef("pk"))
                .order_by("-pk")
                .values("state")[:1]
            ),
        )
        .exclude(digest__in=Stop.objects.filter(released_at__isnull=True).values("digest"))
        .order_by("-pk")[:LIMIT]
    )
    waiting, seen = [], set()
    for version in versions:
        if version.adapter_id in seen:
            continue
        seen.add(version.adapter_id)
        since = version.checked_at or version.submitted_at
        if version.is_blocked:
            text, more = (
                _("%(version)s: a check blocks it") % {"version": version},
                _("The page says how to mend it."),
            )
        elif version.requests is None and version.kind == "evidence":
            text, more = (
                _("%(version)s: nothing blocks it") % {"version": version},
                _("Approval can be requested."),
            )
        elif version.requests is None and version.kind == "package":
            text, more = (
                _("%(version)s: not evaluated yet") % {"version": version},
                _("An evaluation can be requested."),
            )
        else:
            continue
        waiting.append(Waiting(text, more, since, "build", "admin:version", version.uuid))
    return waiting


def _live(rollouts: Sequence[Rollout]) -> list[Live]:
    deployments = list(
        Deployment.objects.filter(is_enabled=True)
        .select_related("adapter", "base_model", "stable_revision__version__adapter")
        .order_by("public_name")[:LIMIT]
    )
    since = clock.now() - timedelta(hours=SPARK_HOURS)
    answers, failures = _buckets([row.pk for row in deployments], since)
    reported = dict(
        Feedback.objects.filter(deployment__in=deployments, is_bad=True, at__gte=since)
        .values_list("deployment")
        .annotate(Count("pk"))
    )
    under_way = {rollout.deployment_id: rollout for rollout in rollouts}
    return [
        Live(
            deployment=row,
            version=row.stable_revision.version if row.stable_revision else None,
            rollout=under_way.get(row.pk),
            answers=answers[row.pk],
            failures=failures[row.pk],
            reported=reported.get(row.pk, 0),
        )
        for row in deployments
    ]


def _buckets(
    deployments: Sequence[int], since: datetime
) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Answers and failed answers by deployment and hour; counted by the database."""
    answers = {pk: [0] * SPARK_BUCKETS for pk in deployments}
    failures = {pk: [0] * SPARK_BUCKETS for pk in deployments}
    rows = (
        Answer.objects.filter(deployment__in=deployments, at__gte=since)
        .values_list("deployment_id", "at__date", "at__hour")
        .annotate(count=Count("pk"), failed=Count("pk", filter=~Q(failure="")))
    )
    first = since.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    for pk, day, hour, count, failed in rows:
        moment = first.replace(year=day.year, month=day.month, day=day.day, hour=hour)
        index = max(0, int((moment - first).total_seconds() // 3600))
        if index < SPARK_BUCKETS:
            answers[pk][index] += count
            failures[pk][index] += failed
    return answers, failures


def _stop_alerts() -> list[Alert]:
    stops = list(
        Stop.objects.filter(released_at__isnull=True).select_related("issued_by__person")[:LIMIT]
    )
    versions = {
        version.digest: version
        for version in Version.objects.filter(
            digest__in=[stop.digest for stop in stops]
        ).select_related("adapter")
    }
    alerts = []
    for stop in stops:
        version = versions.get(stop.digest)
        alerts.append(
            Alert(
                _("%(value)s is stopped everywhere.") % {"value": version or stop.digest[:12]},
                stop.reason,
                "bad",
                "block",
                stop.issued_at,
                "admin:version" if version else "",
                version.uuid if version else None,
            )
        )
    return alerts


def _blocked_alerts() -> list[Alert]:
    """Newest versions whose newest check run blocks them."""
    run = finished_runs(version=OuterRef("pk")).order_by("-pk")
    versions = (
        newest_blocked()
        .annotate(checked_at=Subquery(run.values("finished_at")[:1]))
        .select_related("adapter", "submitted_by__person")
        .order_by("-pk")[:10]
    )
    return [
        Alert(
            _("%(version)s can't be signed: a check blocks it.") % {"version": version},
            _("It was uploaded by %(submitted_by)s.") % {"submitted_by": version.submitted_by},
            "warn",
            "rule",
            version.checked_at,
            "admin:version",
            version.uuid,
        )
        for version in versions
    ]


def signed_recently(user: User) -> list[Signature]:
    """The account's last signatures."""
    return list(
        Signature.objects.filter(signer=user)
        .select_related("request__version__adapter")
        .order_by("-signed_at")[:5]
    )
