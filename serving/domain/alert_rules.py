"""The table of alerts: each rule is a pure function from facts to what is wrong."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from serving.domain.errands import (
    TRAINING,
    WORKER_SILENT_SECONDS,
    late,
    needs_trainer,
    served_queues,
)
from serving.domain.facts import AlertSeverity, Facts, LeaseFact

SEAL_WITHIN = timedelta(seconds=10)
DRIFT_WITHIN = timedelta(minutes=2)
ZOMBIE_WITHIN = timedelta(minutes=10)
LOADS_TRIED = 3
BACKLOG_MESSAGES = 200
LEASE_SHARE_LEFT = 1 / 3
BEAT = "beat"
# How long a step may take before somebody should look; an analysis ends by its policy.
STEP_WITHIN: Mapping[str, timedelta] = {
    "load": timedelta(minutes=15),
    "evaluate": timedelta(minutes=30),
    "set_weight": timedelta(minutes=2),
    "promote": timedelta(minutes=2),
    "unload": timedelta(minutes=30),
}
ENDING_WITHIN = timedelta(minutes=2)
WAITING_WITHIN = timedelta(minutes=1)
STOPS_WITHIN = timedelta(seconds=10)
CONFIRMED_AFTER = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that is wrong; ``subject`` tells it from others of the same rule.

    ``since`` is None where the facts don't tell; it must then be seen for ``lasting``.
    """

    subject: str
    message: str
    since: datetime | None
    lasting: timedelta = CONFIRMED_AFTER


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """``fix``: what to do; ``who``: whose task it is; ``runbook``: a page of docs/runbooks/."""

    name: str
    title: str
    severity: AlertSeverity
    judge: Callable[[Facts], Iterator[Notice]]
    fix: str
    who: str
    runbook: str


def seconds_left(lease: LeaseFact, at: datetime) -> float:
    """How long the lease still runs; negative once it has ended."""
    return lease.ttl_seconds - (at - lease.renewed_at).total_seconds()


def _stuck(facts: Facts) -> Iterator[Notice]:
    for row in facts.rollouts:
        if row.state == "paused":
            continue
        name = f"The rollout of {row.version} in {row.deployment}"
        if row.state in {"rolling_back", "aborting"}:
            # Its steps are undone one by one; when that began is written nowhere.
            yield Notice(row.uuid, f"{name} does not end.", None, ENDING_WITHIN)
            continue
        limit = STEP_WITHIN.get(row.step) if row.step else WAITING_WITHIN
        if limit is not None and facts.at - row.moved_at > limit:
            doing = f" in the step {row.step!r}" if row.step else ""
            said = f"{name} is stuck{doing}. {row.step_detail}".strip()
            yield Notice(row.uuid, said, row.moved_at)


def _paused(facts: Facts) -> Iterator[Notice]:
    for row in facts.rollouts:
        if row.state == "paused":
            said = f"The rollout of {row.version} in {row.deployment} is paused"
            said = f"{said} and waits for a person. {row.paused_reason}".strip()
            yield Notice(row.uuid, said, row.moved_at)


def _drift(facts: Facts) -> Iterator[Notice]:
    seen = {row.name for row in facts.nodes if row.is_seen}
    for row in facts.drifts:
        if row.node not in seen:
            continue  # the node's own alert says why
        subject = f"{row.node}/{row.version}"
        age = facts.at - row.changed_at
        if row.is_wanted and (age > DRIFT_WITHIN or row.failures_count >= LOADS_TRIED):
            said = f"{row.version} is wanted on {row.node} and not proven there ({row.state})."
            yield Notice(subject, f"{said} {row.error}".strip(), row.changed_at)
        elif not row.is_wanted and age > ZOMBIE_WITHIN:
            said = f"{row.version} is still loaded on {row.node}, and nothing wants it there."
            yield Notice(subject, said, row.changed_at)


def _unsealed(facts: Facts) -> Iterator[Notice]:
    oldest = facts.oldest_unsealed_at
    if oldest is not None and facts.at - oldest > SEAL_WITHIN:
        count = facts.unsealed_count
        said = "1 audit event is" if count == 1 else f"{count:,} audit events are"
        yield Notice("", f"{said} not sealed in time.", oldest)


def _node_away(facts: Facts) -> Iterator[Notice]:
    for row in facts.nodes:
        if not row.is_seen:
            said = f"The node {row.name} does not answer. {row.last_error}".strip()
            yield Notice(row.name, said, row.last_seen_at or row.registered_at)


def _stops_behind(facts: Facts) -> Iterator[Notice]:
    changed_at = facts.stops_changed_at
    if changed_at is None or facts.at - changed_at <= STOPS_WITHIN:
        return
    for row in facts.nodes:
        if row.is_seen and row.stops_epoch_seen < facts.stops_epoch:
            said = (
                f"The node {row.name} has not taken the newest stops "
                f"(it has {row.stops_epoch_seen} of {facts.stops_epoch})."
            )
            yield Notice(row.name, said, changed_at)


def _leases(facts: Facts) -> Iterator[Notice]:
    for row in facts.leases:
        if seconds_left(row, facts.at) <= row.ttl_seconds * LEASE_SHARE_LEFT:
            ends_at = row.renewed_at + timedelta(seconds=row.ttl_seconds)
            until = f"{ends_at:%Y-%m-%d %H:%M:%S} UTC"
            said = f"The lease of {row.version} is not renewed; it runs until {until}."
            yield Notice(row.digest, said, row.renewed_at)


def _rechecks(facts: Facts) -> Iterator[Notice]:
    for row in facts.rechecks:
        yield Notice(row.version, f"{row.version} failed its nightly check. {row.fault}", row.at)


def _broker_away(facts: Facts) -> Iterator[Notice]:
    if facts.broker is not None and facts.broker.fault:
        yield Notice("", f"Redis does not answer: {facts.broker.fault}.", None)


def _backlog(facts: Facts) -> Iterator[Notice]:
    for queue, length in sorted(facts.broker.queues.items() if facts.broker else ()):
        if length >= BACKLOG_MESSAGES:
            yield Notice(queue, f"{length:,} tasks wait in the queue {queue}.", None)


def _workers_away(facts: Facts) -> Iterator[Notice]:
    broker = facts.broker
    if broker is None or broker.fault:
        return
    needed = set(broker.queues)
    if not needs_trainer(broker, facts.work):
        needed.discard(TRAINING)
    for queue in sorted(needed - served_queues(broker)):
        yield Notice(queue, f"No worker takes tasks of the queue {queue}.", None)
    age = broker.ages_seconds.get(BEAT)
    if age is None or age > WORKER_SILENT_SECONDS:
        since = None if age is None else facts.at - timedelta(seconds=age)
        yield Notice(BEAT, "Beat does not run: nothing is looked at again by itself.", since)


def _late(facts: Facts) -> Iterator[Notice]:
    broker = facts.broker
    if broker is None or broker.fault:
        return
    served = served_queues(broker)
    for found in late(facts.work, facts.at):
        if found.queue in served:  # else the worker's own alert says why
            yield Notice(found.queue, found.message, found.since)


def _stop_list(facts: Facts) -> Iterator[Notice]:
    if facts.stop_list_fault:
        said = f"The list of stops outside the database can't be written: {facts.stop_list_fault}."
        yield Notice("", said, facts.at)


def _held(facts: Facts) -> Iterator[Notice]:
    if facts.held_since is not None:
        said = "Serving is held: the database was restored from a backup. No request is answered."
        yield Notice("", said, facts.held_since)


def _trail(facts: Facts) -> Iterator[Notice]:
    if facts.trail_fault:
        said = f"The audit trail is not the one that was signed: {facts.trail_fault}."
        yield Notice("", f"{said} No new checkpoint is signed.", facts.at)


def _audit(facts: Facts) -> Iterator[Notice]:
    if facts.audit_fault:
        said = f"The last verification of the audit trail found: {facts.audit_fault}."
        yield Notice("", said, facts.at)


_OPERATOR = "an operator"
_CRITICAL, _WARNING = AlertSeverity.CRITICAL, AlertSeverity.WARNING
RULES: tuple[Rule, ...] = (
    Rule(
        name="serving_held",
        title="Serving is held after a restore",
        severity=_CRITICAL,
        judge=_held,
        fix="Look at what was stopped after the backup; then two persons let serving go on.",
        who="two persons who may resume",
        runbook="restore-from-backup",
    ),
    Rule(
        name="stop_list_unwritable",
        title="Stops can't be kept outside the database",
        severity=_CRITICAL,
        judge=_stop_list,
        fix="Make FORMULARY_HOME writable again: until then no stop can be issued.",
        who=_OPERATOR,
        runbook="stop-list",
    ),
    Rule(
        name="trail_rewritten",
        title="The audit trail was cut or rewritten",
        severity=_CRITICAL,
        judge=_trail,
        fix="Keep copies as evidence first; then compare the trail with each checkpoint file.",
        who="an operator and a compliance officer",
        runbook="audit-failure",
    ),
    Rule(
        name="audit_not_clean",
        title="The audit trail does not verify",
        severity=_CRITICAL,
        judge=_audit,
        fix="Keep copies as evidence first; then read the whole report of verify_audit.",
        who="an operator and a compliance officer",
        runbook="audit-failure",
    ),
    Rule(
        name="stops_behind",
        title="A node has not taken the newest stops",
        severity=_CRITICAL,
        judge=_stops_behind,
        fix="It is told again each second; if it stays behind, end the node's process.",
        who=_OPERATOR,
        runbook="stop-everywhere",
    ),
    Rule(
        name="audit_unsealed",
        title="Audit events are not sealed",
        severity=_CRITICAL,
        judge=_unsealed,
        fix="See whether the control process runs and reaches the database.",
        who=_OPERATOR,
        runbook="control-down",
    ),
    Rule(
        name="node_away",
        title="A node does not answer",
        severity=_CRITICAL,
        judge=_node_away,
        fix="Look at its process and its log; take it out of use while you look.",
        who=_OPERATOR,
        runbook="node-down",
    ),
    Rule(
        name="lease_ending",
        title="A lease is about to end",
        severity=_CRITICAL,
        judge=_leases,
        fix="See whether the control process runs, and whether a nightly check failed.",
        who=_OPERATOR,
        runbook="lease-ending",
    ),
    Rule(
        name="recheck_failed",
        title="A nightly check failed",
        severity=_CRITICAL,
        judge=_rechecks,
        fix="Open the version: its lease is not renewed until the finding is mended.",
        who="the adapter's owner and an operator",
        runbook="recheck-failed",
    ),
    Rule(
        name="rollout_stuck",
        title="A rollout is stuck",
        severity=_CRITICAL,
        judge=_stuck,
        fix="Open the rollout: its step says what it waits for.",
        who=_OPERATOR,
        runbook="stuck-rollout",
    ),
    Rule(
        name="broker_away",
        title="Redis does not answer",
        severity=_CRITICAL,
        judge=_broker_away,
        fix="Start it again; stops, leases and answers go on without it.",
        who=_OPERATOR,
        runbook="queue-backlog",
    ),
    Rule(
        name="worker_away",
        title="A queue has no worker",
        severity=_CRITICAL,
        judge=_workers_away,
        fix="Start the worker, trainer, courier, node's agent or beat again; nothing is lost.",
        who=_OPERATOR,
        runbook="queue-backlog",
    ),
    Rule(
        name="work_late",
        title="A trainer or a courier is late",
        severity=_WARNING,
        judge=_late,
        fix="Read the process's log and start it again: it takes up what is due.",
        who=_OPERATOR,
        runbook="queue-backlog",
    ),
    Rule(
        name="drift",
        title="A node does not hold what is wanted",
        severity=_WARNING,
        judge=_drift,
        fix="The error and the agent's log say why a load fails.",
        who=_OPERATOR,
        runbook="drift",
    ),
    Rule(
        name="queue_backlog",
        title="Tasks pile up",
        severity=_WARNING,
        judge=_backlog,
        fix="See what the worker of this queue does; start another one.",
        who=_OPERATOR,
        runbook="queue-backlog",
    ),
    Rule(
        name="rollout_paused",
        title="A rollout waits for a person",
        severity=_WARNING,
        judge=_paused,
        fix="Open the rollout and go on, end the trial or promote.",
        who="whoever may deploy",
        runbook="stuck-rollout",
    ),
)
# Told by whoever reads: the control loop can't notice its own absence.
CONTROL_SILENT = timedelta(seconds=15)
CONTROL_AWAY = Rule(
    name="control_away",
    title="The control process does not run",
    severity=_CRITICAL,
    judge=lambda _: iter(()),
    fix="Start it again before the leases end.",
    who=_OPERATOR,
    runbook="control-down",
)
BY_NAME: Mapping[str, Rule] = {rule.name: rule for rule in (*RULES, CONTROL_AWAY)}


def judged(facts: Facts) -> dict[tuple[str, str], Notice]:
    """(rule, subject) → what is wrong, over all rules."""
    return {
        (rule.name, notice.subject[:200]): notice for rule in RULES for notice in rule.judge(facts)
    }
