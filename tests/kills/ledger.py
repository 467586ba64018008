"""Compares the tables with the audit trail: each transition has exactly one sealed event."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from itertools import pairwise

from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Count

from compliance.models import (
    AuditEvent,
    CheckRun,
    EvaluationRun,
    Permission,
    Signature,
    Stop,
)
from compliance.selectors.audit import parse_body
from registry.models import AliasMove, Version
from serving.models import Replica, Rollout, RolloutStep
from tests.flows.waiting import until

# The state in which a new row of a kind is, before the first event that moves it.
FIRST_STATES = {"rollout": "running", "permission": "none"}
STEP_PATHS = {
    "waiting": [],
    "running": ["running"],
    "done": ["running", "done"],
    "failed": ["running", "failed"],
    "undone": ["running", "done", "undone"],
    "skipped": ["skipped"],
}


def require_exact() -> None:
    """All is sealed, the chain verifies, and every row has the events of its transitions, once."""
    until(_is_sealed_and_exact, seconds=30)
    call_command("verify_audit", stdout=StringIO())  # ends the process where it is not clean


def _is_sealed_and_exact() -> bool:
    with _one_moment():
        if AuditEvent.objects.filter(sequence=None).exists():
            return False
        _require_one_for_each_row()
        _require_chains()
        for step in RolloutStep.objects.select_related("rollout"):
            _require_path(step)
        for replica in Replica.objects.all():
            _require_replica(replica)
    return True


@contextmanager
def _one_moment() -> Iterator[None]:
    """All queries inside see the same rows: work may go on meanwhile."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def _count(action: str) -> int:
    return AuditEvent.objects.filter(action=action).count()


def _require_one_for_each_row() -> None:
    permissions = AuditEvent.objects.filter(action="permission.changed").count()
    ended = Permission.objects.exclude(ended_at=None).count()
    rows = {
        "version.submitted": Version.objects.count(),
        "signature.created": Signature.objects.count(),
        "alias.moved": AliasMove.objects.count(),
        "rollout.started": Rollout.objects.count(),
        "rollout.promoted": Rollout.objects.filter(state="promoted").count(),
        "rollout.rolled_back": Rollout.objects.filter(state="rolled_back").count(),
        "evaluation.requested": EvaluationRun.objects.count(),
        "evaluation.recorded": EvaluationRun.objects.filter(state="done").count(),
        "check_run.finished": CheckRun.objects.filter(state__in=["done", "failed"]).count(),
    }
    events = {action: _count(action) for action in rows}
    assert events == rows
    assert _count("stop.issued") + _count("stop.brought_back") == Stop.objects.count()
    assert permissions == Permission.objects.count() + ended


def _require_chains() -> None:
    """The states that one object's events tell hang together: no gap, no double."""
    chains: dict[tuple[str, str, str], list[list[str]]] = {}
    for event in AuditEvent.objects.order_by("sequence"):
        diff = parse_body(event)["diff"]
        if event.object_type in FIRST_STATES and "state" in diff and "step" not in diff:
            key = (event.object_type, event.object_id, "state")
            chains.setdefault(key, []).append(diff["state"])
    for key, moves in chains.items():
        for one, other in pairwise(moves):
            assert one[1] == other[0], (key, moves)


def _require_path(step: RolloutStep) -> None:
    told = [
        parse_body(event)["diff"]["state"][1]
        for event in AuditEvent.objects.filter(
            action="rollout.step", object_id=str(step.rollout.uuid)
        ).order_by("sequence")
        if parse_body(event)["diff"]["step"][0] == step.index
    ]
    paths = [STEP_PATHS[step.state]]
    if step.state == "undone":
        paths += [["running", "undone"], ["running", "failed", "undone"]]
    assert told in paths, (step.kind, step.state, told)


def _require_replica(replica: Replica) -> None:
    """Each claim ends in one event at most, and the last event is the state that the row has."""
    events = list(
        AuditEvent.objects.filter(object_type="replica", object_id=str(replica.uuid))
        .order_by("sequence")
        .values_list("action", flat=True)
    )
    counts = Counter(events)
    ends = counts["replica.ready"] + counts["replica.failed"] + counts["replica.claim_lost"]
    is_open = replica.state == "loading"
    # A proof that a new boot of the node made void is the end of a claim that was open still.
    assert ends + is_open == replica.attempts, (replica, events, replica.state, replica.attempts)
    assert counts["replica.unloading"] - counts["replica.unloaded"] == (
        replica.state == "unloading"
    )
    if replica.state in {"ready", "failed", "unloaded"}:
        assert events[-1] == f"replica.{replica.state}", events


def require_sealed_once() -> None:
    """No event is in the chain twice, and the numbers have no gap."""
    numbers = AuditEvent.objects.values("sequence").annotate(n=Count("id")).filter(n__gt=1)
    assert not numbers.exists()
    assert AuditEvent.objects.order_by("-sequence")[0].sequence == AuditEvent.objects.count()
