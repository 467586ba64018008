"""Brings what is on the nodes closer to what is wished: one pass, safe to repeat."""

from datetime import datetime

from django.conf import settings
from django.db import transaction

from compliance.selectors.stops import stopped_digests
from config.core import clock
from config.core.errors import Conflict
from registry.models import BaseModel, Version
from serving.domain.reconcile import Decision, Do, ReplicaFacts, Timing, Wish, decide
from serving.models import Node, Replica
from serving.selectors.nodes import is_usable, listed_on, slots_of
from serving.selectors.wanted import wishes_for
from serving.services import nudges, replicas
from serving.states import ReplicaState


def reconcile_all() -> int:
    """One pass over every base that has a node; how many decisions were carried out."""
    bases = BaseModel.objects.filter(
        pk__in=Node.objects.filter(is_enabled=True).values("base_model")
    )
    return sum(reconcile(base_model=base) for base in bases)


def reconcile(*, base_model: BaseModel) -> int:
    """One pass over the usable nodes of a base; how many decisions were carried out."""
    wishes = wishes_for(base_model)
    count = 0
    for node in Node.objects.filter(pk__in=list(wishes)).select_related("base_model"):
        if is_usable(node):
            count += _reconcile_node(node, wishes[node.pk])
    return count


def _reconcile_node(node: Node, wishes: list[Wish]) -> int:
    rows = {
        row.version_id: row
        for row in Replica.objects.filter(node=node).select_related("version__adapter")
    }
    now, listed, stopped = clock.now(), listed_on(node), stopped_digests()
    facts = [
        ReplicaFacts(
            version_pk=row.version_id,
            state=ReplicaState(row.state),
            is_proven=row.proven_boot_id == node.boot_id,
            is_listed=row.version.runtime_name in listed,
            is_stopped=row.digest in stopped,
            failures_count=row.failures_count,
            age_seconds=(now - row.changed_at).total_seconds(),
            nudged_age_seconds=_age(row.nudged_at, now),
            unwanted_age_seconds=_age(row.unwanted_at, now),
        )
        for row in rows.values()
    ]
    take_over = settings.WORK_TAKE_OVER_SECONDS
    decisions = decide(
        slots=slots_of(node),
        wishes=wishes,
        replicas=facts,
        timing=Timing(load_take_over=take_over, nudge_again=take_over),
    )
    for decision in decisions:
        try:
            _carry_out(decision, node, rows.get(decision.version_pk))
        except Conflict:
            continue  # somebody moved it meanwhile; the next pass sees what it is now
    return len(decisions)


def _carry_out(decision: Decision, node: Node, row: Replica | None) -> None:
    if decision.do is Do.WANT or row is None:
        version = Version.objects.get(pk=decision.version_pk)
        row = replicas.want(node=node, version_pk=version.pk, digest=version.digest)
        _nudge(row, node, nudges.load)
    elif decision.do is Do.RETRY:
        replicas.want(node=node, version_pk=row.version_id, digest=row.digest)
        _nudge(row, node, nudges.load)
    elif decision.do is Do.RECLAIM:
        replicas.reclaim(replica=row)
        _nudge(row, node, nudges.load)
    elif decision.do is Do.NUDGE_LOAD:
        _nudge(row, node, nudges.load)
    elif decision.do is Do.KEEP:
        replicas.keep(replica=row)
    elif decision.do is Do.DRAIN:
        replicas.drain(replica=row)
    elif decision.do is Do.UNLOAD:
        replicas.unload(replica=row)
        _nudge(row, node, nudges.unload)
    elif decision.do is Do.NUDGE_UNLOAD:
        _nudge(row, node, nudges.unload)


def _nudge(row: Replica, node: Node, send: nudges.ToAgent) -> None:
    Replica.objects.filter(pk=row.pk).update(nudged_at=clock.now())
    uuid, queue = str(row.uuid), node.queue
    transaction.on_commit(lambda: send(uuid, queue))


def _age(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else (now - moment).total_seconds()
