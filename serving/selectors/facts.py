"""Reads what the rules of alerts, the metrics and the page System are made of."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Count, Max, Min, OuterRef, Prefetch, Q, Subquery

from compliance.models import AuditEvent, CheckRun, Stop
from compliance.selectors.permissions import epoch, open_permissions
from compliance.selectors.restores import held
from compliance.selectors.stop_list import path as stop_list_path
from compliance.selectors.stops import stopped_digests
from compliance.selectors.trail import find_rewrite
from compliance.selectors.verification_trail import last_verified
from compliance.states import Purpose, RunState
from config.core import broker, clock
from registry.training_selectors import workload
from serving.domain.errands import DELIVERIES, TRAINING
from serving.domain.facts import (
    BrokerFacts,
    DriftFact,
    Facts,
    LeaseFact,
    NodeFact,
    RecheckFact,
    RolloutFact,
    WorkFact,
)
from serving.models import Heartbeat, Node, Replica, Rollout, RolloutStep
from serving.selectors.nodes import is_seen, listed_on, slots_of
from serving.selectors.rollouts import current_step
from serving.services.heartbeats import OLDEST_DUE
from serving.states import OPEN_ROLLOUT_STATES, ReplicaState, RolloutState

QUEUES = ("control", "checks", "evaluations", TRAINING, DELIVERIES)
_GOING = frozenset({ReplicaState.UNLOADING, ReplicaState.UNLOADED})


def read_facts() -> Facts:
    """Everything at this moment; the broker, the file of stops and the checkpoints too."""
    facts = database_facts()
    queues = [*QUEUES, *(f"node.{row.name}" for row in facts.nodes)]
    return replace(
        facts,
        broker=broker_facts(queues),
        stop_list_fault=stop_list_fault(),
        trail_fault=find_rewrite(),
        audit_fault=audit_fault(),
    )


def database_facts() -> Facts:
    """What the database tells, in a fixed number of queries."""
    nodes = list(Node.objects.filter(is_enabled=True).order_by("name"))
    unsealed = AuditEvent.objects.filter(sequence__isnull=True).aggregate(
        count=Count("pk"), oldest=Min("at")
    )
    stops = Stop.objects.aggregate(issued=Max("issued_at"), released=Max("released_at"))
    return Facts(
        at=clock.now(),
        rollouts=tuple(_rollouts()),
        nodes=tuple(_node(node) for node in nodes),
        drifts=tuple(_drifts(nodes)),
        leases=tuple(_leases()),
        rechecks=tuple(_rechecks()),
        unsealed_count=unsealed["count"],
        oldest_unsealed_at=unsealed["oldest"],
        held_since=held().aggregate(at=Min("noticed_at"))["at"],
        stops_epoch=epoch()[1],
        work=_work(),
        stops_changed_at=max((at for at in stops.values() if at is not None), default=None),
    )


def broker_facts(queues: Sequence[str]) -> BrokerFacts | None:
    """What Redis tells; None where none is configured."""
    if not broker.is_configured():
        return None
    try:
        lengths, signs = broker.lengths(queues), broker.signs()
    except broker.BrokerAway as error:
        return BrokerFacts(fault=str(error))
    return BrokerFacts(
        queues=lengths,
        ages_seconds={name: age for name, (age, _) in signs.items()},
        workers={name: served for name, (_, served) in signs.items() if served},
    )


def audit_fault() -> str:
    """What the last verification of the audit trail that was written down found; else empty."""
    found = last_verified()
    if found is None or not found.failures:
        return ""
    more = f", and {found.failures - 1} more" if found.failures > 1 else ""
    return f"{found.first}{more}"


def stop_list_fault() -> str:
    """Why a stop could not be kept outside the database now; empty where it could."""
    path = stop_list_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600))
    except OSError as error:
        return os.strerror(error.errno) if error.errno else type(error).__name__
    return ""


def _rollouts() -> Iterator[RolloutFact]:
    rows = (
        Rollout.objects.filter(state__in=OPEN_ROLLOUT_STATES)
        .select_related("deployment__base_model", "to_revision__version__adapter")
        .prefetch_related(Prefetch("steps", queryset=RolloutStep.objects.order_by("index")))
        .order_by("pk")
    )
    for row in rows:
        step = current_step(row)
        version = row.to_revision.version
        times = [row.started_at]
        for each in row.steps.all():
            times += [at for at in (each.started_at, each.finished_at) if at is not None]
        is_paused = row.state == RolloutState.PAUSED and row.paused_at is not None
        yield RolloutFact(
            uuid=str(row.uuid),
            version=str(version or row.deployment.base_model.slug),
            deployment=row.deployment.public_name,
            state=row.state,
            paused_reason=row.paused_reason,
            step=step.kind if step is not None else "",
            step_detail=step.detail if step is not None else "",
            moved_at=row.paused_at if is_paused and row.paused_at else max(times),
        )


def _node(node: Node) -> NodeFact:
    return NodeFact(
        name=node.name,
        is_seen=is_seen(node),
        last_seen_at=node.last_seen_at,
        registered_at=node.registered_at,
        last_error=node.last_error,
        stops_epoch_seen=node.stops_epoch_seen,
        slots=slots_of(node),
        slots_taken=len(listed_on(node)),
        memory_bytes=int(node.status.get("memory_bytes") or 0),
    )


def _drifts(nodes: Sequence[Node]) -> Iterator[DriftFact]:
    """Wanted and not proven, or listed by the node and not wanted."""
    by_node: dict[int, dict[str, Replica]] = {node.pk: {} for node in nodes}
    for row in Replica.objects.filter(node__in=nodes).select_related("version__adapter"):
        by_node[row.node_id][row.digest] = row
    for node in nodes:
        listed = {str(entry.get("digest")): name for name, entry in listed_on(node).items()}
        for digest, row in by_node[node.pk].items():
            is_wanted = row.state not in _GOING
            is_there = digest in listed
            is_proven = row.state == ReplicaState.READY and row.proven_boot_id == node.boot_id
            if (is_wanted and is_proven and is_there) or not (is_wanted or is_there):
                continue
            yield _drift(node, row, row.version.runtime_name, is_wanted=is_wanted)
        for digest, name in listed.items():
            if digest not in by_node[node.pk]:
                yield _drift(node, None, name, is_wanted=False)


def _drift(node: Node, row: Replica | None, name: str, *, is_wanted: bool) -> DriftFact:
    at: datetime = row.changed_at if row else node.registered_at
    return DriftFact(
        node=node.name,
        version=name,
        is_wanted=is_wanted,
        state=row.state if row else "unknown",
        failures_count=row.failures_count if row else 0,
        error=row.error if row else "",
        changed_at=at,
    )


def _work() -> WorkFact:
    trainings = workload()
    return WorkFact(
        trainings_waiting=trainings.waiting_count,
        trainings_running=trainings.running_count,
        training_due_since=trainings.due_since,
        training_silent_since=trainings.silent_since,
        delivery_due_since=_delivery_due_since(),
    )


def _delivery_due_since() -> datetime | None:
    """As the room above said within the last minute; later its word is worth nothing."""
    told = Heartbeat.objects.filter(
        name=DELIVERIES, at__gt=clock.now() - timedelta(minutes=1)
    ).first()
    due_at = told.duties.get(OLDEST_DUE) if told else None
    return datetime.fromisoformat(due_at) if due_at else None


def _leases() -> Iterator[LeaseFact]:
    stopped = stopped_digests()
    for row in open_permissions(Purpose.SERVE).order_by("pk"):
        if row.digest not in stopped:
            yield LeaseFact(
                version=str(row.version),
                digest=row.digest,
                ttl_seconds=row.ttl_seconds,
                renewed_at=row.renewed_at,
            )


def _rechecks() -> Iterator[RecheckFact]:
    newest = CheckRun.objects.filter(
        version=OuterRef("version"),
        kind=CheckRun.Kind.LIVE,
        state__in=[RunState.DONE, RunState.FAILED],
    ).order_by("-pk")
    rows = (
        open_permissions(Purpose.SERVE)
        .annotate(newest_run=Subquery(newest.values("pk")[:1]))
        .values_list("newest_run", flat=True)
    )
    runs = CheckRun.objects.filter(Q(is_blocked=True) | Q(state=RunState.FAILED), pk__in=rows)
    for run in runs.select_related("version__adapter").order_by("pk"):
        fault = "A check blocks it." if run.is_blocked else "The checks broke down."
        yield RecheckFact(
            version=str(run.version),
            fault=fault,
            at=run.finished_at or run.requested_at,
        )
