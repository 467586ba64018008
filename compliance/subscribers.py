"""News from the rooms below and from this one: each is written down, then answered."""

from collections.abc import Callable, Mapping
from typing import Any

from compliance.events import EvaluationRecorded
from compliance.models import CheckRun, EvaluationRun
from config.core.events import Event, subscribe
from registry.events import (
    LabelChanged,
    TrainingFileScanned,
    TrainingFileStored,
    VersionSubmitted,
)
from registry.models import Version

AUDITED_ROOMS = ("config.accounts.", "registry.", "compliance.")
"""Rooms whose events are audit events; those above write their own by ``audit.record``.

A refusal is published in a transaction of its own by whoever refuses, after his rollback.
"""


def connect() -> None:
    """Subscribe this room to all events."""
    subscribe(Event, _on_event)


def _on_event(event: Event) -> None:
    """Write the event down first, so that the trail is in the order of cause and effect."""
    from compliance.services import audit

    if type(event).__module__.startswith(AUDITED_ROOMS):
        audit.record_event(event)
    react = REACTIONS.get(type(event))
    if react:
        react(event)


def _open_checks(event: VersionSubmitted) -> None:
    version = Version.objects.get(pk=event.version_id)
    _open(version, CheckRun.Kind.PACKAGE, CheckRun.Kind.EVIDENCE)


def _void_and_recheck(event: LabelChanged) -> None:
    from compliance.services import approvals

    version = Version.objects.get(pk=event.version_id)
    approvals.void_changed(version=version, actor=event.actor, reason="The label was changed")
    _open(version, CheckRun.Kind.EVIDENCE)


def _open_evidence(event: EvaluationRecorded) -> None:
    run = EvaluationRun.objects.select_related("version").get(pk=event.run_id)
    _open(run.version, CheckRun.Kind.EVIDENCE)


def _scan(event: TrainingFileStored) -> None:
    from compliance import tasks

    tasks.nudge_on_commit(tasks.scan_training_file, event.file_id)


def _train_scanned(event: TrainingFileScanned) -> None:
    from registry.services import training_nudges

    training_nudges.train_waiting_for(event.file_id)


def _open(version: Version, *kinds: str) -> None:
    from compliance import tasks
    from compliance.services import check_runs

    for kind in kinds:
        run = check_runs.open(version=version, kind=kind)
        tasks.nudge_on_commit(tasks.execute_check_run, run.pk)


REACTIONS: Mapping[type[Event], Callable[[Any], None]] = {
    VersionSubmitted: _open_checks,
    LabelChanged: _void_and_recheck,
    EvaluationRecorded: _open_evidence,
    TrainingFileStored: _scan,
    TrainingFileScanned: _train_scanned,
}
