"""News from the rooms below and from this one, a line each."""

from typing import Any

from django.db import transaction

from compliance.events import CheckRunOpened, EvaluationRecorded
from compliance.models import CheckRun, EvaluationRun
from config.accounts.events import AccessRefused, SignInFailed
from config.core.events import Event, subscribe
from registry.events import LabelChanged, VersionRefused, VersionSubmitted
from registry.models import Version

AUDITED_ROOMS = ("config.accounts.", "registry.", "compliance.")
"""Rooms whose events are audit events; those above write their own by ``audit.record``."""
REFUSALS = (VersionRefused, AccessRefused, SignInFailed)


def connect() -> None:
    """Subscribe this room to the events that it answers."""
    subscribe(Event, _write_down)
    subscribe(VersionSubmitted, _open_checks)
    subscribe(LabelChanged, _void_and_recheck)
    subscribe(EvaluationRecorded, _open_evidence)
    subscribe(CheckRunOpened, _nudge)


def _write_down(event: Event) -> None:
    from compliance.services import audit

    if not type(event).__module__.startswith(AUDITED_ROOMS):
        return
    if isinstance(event, REFUSALS):
        audit.record_refused_event(event)
    else:
        audit.record_event(event)


def _open_checks(event: VersionSubmitted) -> None:
    _open(Version.objects.get(pk=event.version_id), *CheckRun.Kind.values[:2], event=event)


def _void_and_recheck(event: LabelChanged) -> None:
    from compliance.services import approvals

    version = Version.objects.get(pk=event.version_id)
    approvals.void_changed(version=version, actor=event.actor, reason="The label was changed")
    _open(version, CheckRun.Kind.EVIDENCE, event=event)


def _open_evidence(event: EvaluationRecorded) -> None:
    run = EvaluationRun.objects.select_related("version__adapter").get(pk=event.run_id)
    _open(run.version, CheckRun.Kind.EVIDENCE, event=event)


def _open(version: Version, *kinds: str, event: Event) -> None:
    from compliance.services import check_runs

    for kind in kinds:
        check_runs.open(version=version, kind=kind, actor=event.actor)


def _nudge(event: CheckRunOpened) -> None:
    from compliance import tasks

    run_id: Any = event.run_id
    transaction.on_commit(lambda: tasks.nudge(tasks.execute_check_run, run_id))
