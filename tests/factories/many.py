"""Rows by the thousand, written in bulk, in the proportions of a house that has worked for years.

They have the shape of what services write; nobody examined or signed anything here.
"""

import hashlib
import itertools
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

from django.db import connection
from django.db.models import Model

from compliance.domain.audit_chain import NO_PREVIOUS, Seal, event_body, event_hash
from compliance.models import (
    ApprovalRequest,
    AuditEvent,
    CheckResult,
    CheckRun,
    Finding,
    Permission,
    Record,
    Signature,
)
from config.accounts.models import User
from config.console.audit_words import ACTS
from config.core import clock, keys
from config.core.digests import canonical_json
from registry.models import Adapter, Alias, BaseModel, Label, Version
from serving.models import Answer, Deployment, Node, Replica, Revision, Rollout, RolloutStep

VERSIONS_AN_ADAPTER = 20
CHECKS = ("TEC-01", "TEC-05", "CLN-04")
BATCH_ROWS = 2000
EVENTS_AT_A_TIME = 10_000
Row = TypeVar("Row", bound=Model)
_numbers = itertools.count(1)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _store(model: type[Row], rows: Iterable[Row]) -> list[Row]:
    return model._default_manager.bulk_create(list(rows), batch_size=BATCH_ROWS)


def versions(count: int, *, base_model: BaseModel, user: User) -> list[Version]:
    """Adapters of twenty versions each, with labels, checks, and a live alias of every other."""
    start, now = next(_numbers) * 1_000_000, clock.now()
    adapters = _store(
        Adapter,
        (
            Adapter(
                slug=f"line-{start + index}",
                name=f"Line {start + index}",
                description="Sorts notes of one ward.",
                medical_domain=("surgery", "radiology", "oncology")[index % 3],
                safety_class="ABC"[index % 3],
                base_model=base_model,
                owner=user,
            )
            for index in range(max(1, count // VERSIONS_AN_ADAPTER))
        ),
    )
    made = _store(
        Version,
        (
            Version(
                adapter=adapters[index % len(adapters)],
                number=index // len(adapters) + 1,
                version_name=f"v{index // len(adapters) + 1}",
                digest=(digest := _digest(f"{start} {index}")),
                commit_id=digest[:40],
                peft_facts={"rank": 8, "max_rank": 8},
                size_bytes=1_900_000,
                notes="Trained on more notes.",
                submitted_by=user,
                submitted_at=now - timedelta(minutes=count - index),
            )
            for index in range(count)
        ),
    )
    _store(
        Label,
        (Label(version=row, revision=1, purpose="Sorts notes", created_by=user) for row in made),
    )
    _store(
        Alias,
        (
            Alias(adapter=row.adapter, name="live", version=row, is_protected=True)
            for row in made[: len(adapters) : 2]
        ),
    )
    _checks(made)
    return made


def _checks(rows: list[Version]) -> None:
    """A finished run each; every fifth version is blocked."""
    runs = _store(
        CheckRun,
        (
            CheckRun(
                version=row,
                kind="package",
                state="done",
                is_blocked=index % 5 == 4,
                finished_at=row.submitted_at,
            )
            for index, row in enumerate(rows)
        ),
    )
    results = _store(
        CheckResult,
        (
            CheckResult(
                run=run,
                check_id=check_id,
                check_version="1",
                title=check_id,
                state="fail" if run.is_blocked and check_id == "CLN-04" else "pass",
                severity="blocking",
                mode="auto",
                result_sha256=_digest(f"{run.pk} {check_id}"),
            )
            for run in runs
            for check_id in CHECKS
        ),
    )
    _store(
        Finding,
        (
            Finding(
                result=row,
                severity=row.severity,
                state=row.state,
                message="Children are named by the label and were not evaluated."
                if row.state == "fail"
                else "In order.",
            )
            for row in results
        ),
    )


def approvals(rows: list[Version], *, user: User) -> list[ApprovalRequest]:
    """A request for each version; three of four are approved and permitted."""
    records = _store(
        Record,
        (
            Record(sha256=_digest(f"record {row.digest}"), record_schema=1, content="{}")
            for row in rows
        ),
    )
    asked = _store(
        ApprovalRequest,
        (
            ApprovalRequest(
                version=row,
                revision=1,
                record=record,
                state="open" if index % 4 == 0 else "approved",
                required_meanings=["reviewed_technical", "approved"],
                requested_by=user,
            )
            for index, (row, record) in enumerate(zip(rows, records, strict=True))
        ),
    )
    approved = [row for row in asked if row.state == "approved"]
    _store(
        Permission,
        (
            Permission(version=row.version, digest=row.version.digest, purpose="serve", request=row)
            for row in approved
        ),
    )
    assert user.person is not None
    _store(
        Signature,
        (
            Signature(
                request=row,
                record_sha256=row.record.sha256,
                position=0,
                meaning="reviewed_technical",
                statement="-",
                statement_version="1",
                signer=user,
                person=user.person,
                printed_name="Somebody",
                role="reviewer",
                signed_at=clock.now(),
                payload="{}",
                payload_sha256=_digest(f"payload {row.pk}"),
                key_id="0",
                server_signature="",
            )
            for row in asked
        ),
    )
    return asked


def deployments(rows: list[Version], *, user: User) -> list[Deployment]:
    """One for each version, live there, with two rollouts: one promoted, one of three open."""
    made = _store(
        Deployment,
        (
            Deployment(
                public_name=f"name-{row.adapter.slug}-{row.number}",
                title=f"Name {row.pk}",
                adapter=row.adapter,
                base_model=row.adapter.base_model,
                created_by=user,
            )
            for row in rows
        ),
    )
    revisions = _store(
        Revision,
        (
            Revision(
                deployment=row, number=number, version=version, digest=version.digest,
                created_by=user,
            )
            for row, version in zip(made, rows, strict=True)
            for number in (1, 2)
        ),
    )  # fmt: skip
    for row, revision in zip(made, revisions[::2], strict=True):
        row.stable_revision, row.stable_since = revision, clock.now()
    Deployment.objects.bulk_update(made, ["stable_revision", "stable_since"], BATCH_ROWS)
    rollouts = _store(
        Rollout,
        (
            Rollout(
                deployment=revision.deployment,
                from_revision=None if revision.number == 1 else revisions[index - 1],
                to_revision=revision,
                strategy="canary",
                state="promoted"
                if revision.number == 1
                else ("running" if index % 3 == 0 else "rolled_back"),
                weight_percent=0 if revision.number == 1 else 20,
                started_by=user,
                finished_at=clock.now() if revision.number == 1 else None,
            )
            for index, revision in enumerate(revisions)
        ),
    )
    _store(
        RolloutStep,
        (
            RolloutStep(rollout=row, index=index, kind=kind, state="done")
            for row in rollouts
            for index, kind in enumerate(("load", "evaluate", "promote"))
        ),
    )
    return made


def answers(row: Deployment, count: int) -> None:
    """Spread over the last day; one of fifty was not in order."""
    now = clock.now()
    _store(
        Answer,
        (
            Answer(
                answer_id=f"{row.pk}-{index}-{uuid4().hex[:8]}",
                deployment=row,
                digest="0" * 64,
                failure="timeout" if index % 50 == 0 else "",
                duration_ms=40 + 7 * index % 400 + index * 200 // count,
                token_name=f"app-{index % 12}",
                at=now - timedelta(seconds=86_000 * index / count),
            )
            for index in range(count)
        ),
    )


def nodes(count: int, rows: list[Version]) -> list[Node]:
    """Nodes that answer, with eight versions each."""
    base_model = rows[0].adapter.base_model
    made = _store(
        Node,
        (
            Node(
                name=f"many-{next(_numbers)}-{index}",
                url="http://127.0.0.1:9",
                secret_encrypted=keys.encrypt("secret"),
                base_model=base_model,
                engine="memory",
                boot_id="b0a1",
                status={"slots": 8, "loaded": [], "memory_bytes": 1_000_000},
                last_seen_at=clock.now(),
            )
            for index in range(count)
        ),
    )
    _store(
        Replica,
        (
            Replica(node=node, version=row, digest=row.digest, state="ready", proven_boot_id="b0a1")
            for node in made
            for row in rows[:8]
        ),
    )
    return made


def audit_events(count: int, *, user: User) -> None:
    """Events of every act by three people, sealed into the chain from where it ends."""
    last = AuditEvent.objects.filter(sequence__isnull=False).order_by("-sequence").first()
    sequence = (last.sequence or 0) if last else 0
    previous = last.event_hash if last else NO_PREVIOUS
    begins_at, actions = clock.now() - timedelta(days=300), sorted(ACTS)
    names = (user.get_username(), "somebody", "system")
    for first in range(0, count, EVENTS_AT_A_TIME):
        rows: list[AuditEvent] = []
        for index in range(first, min(count, first + EVENTS_AT_A_TIME)):
            at = begins_at + timedelta(days=300) * (index / count)
            sequence += 1
            action = actions[index % len(actions)]
            body = _body(action, names[index % 3], at, index)
            seal = Seal(sequence=sequence, previous_hash=previous, sealed_at=clock.isoformat(at))
            previous = event_hash(body, seal)
            rows.append(_event(body, at, seal, previous))
        AuditEvent.objects.bulk_create(rows, batch_size=BATCH_ROWS)


def _body(action: str, name: str, at: Any, index: int) -> dict[str, Any]:
    return event_body(
        uuid=str(uuid4()),
        at=clock.isoformat(at),
        actor={"name": name, "kind": "user"},
        action=action,
        object_type=action.split(".")[0],
        object_id=str(uuid4()),
        object_rev="",
        diff={"state": ["one", "other"], "number": [index, index + 1]},
        reason="A line that says why.",
        request_id="",
        app_version="0",
    )


def _event(body: dict[str, Any], at: Any, seal: Seal, found: str) -> AuditEvent:
    return AuditEvent(
        uuid=body["id"],
        at=at,
        action=body["action"],
        actor_name=body["actor"]["name"],
        object_type=body["object"]["type"],
        object_id=body["object"]["id"],
        body=canonical_json(body).decode(),
        sequence=seal.sequence,
        previous_hash=seal.previous_hash,
        event_hash=found,
        sealed_at=at,
    )


def house(count: int, *, base_model: BaseModel, user: User, events: int) -> list[Version]:
    """``count`` versions and what belongs to so many, and ``events`` audit events."""
    made = versions(count, base_model=base_model, user=user)
    approvals(made[: max(1, count // 2)], user=user)
    served = deployments(made[: max(1, count // 50)], user=user)
    answers(served[0], min(5 * count, 20_000))
    nodes(max(1, count // 500), made)
    audit_events(events, user=user)
    with connection.cursor() as cursor:
        # A database learns by itself how many rows there are, but only minutes after they came;
        # until then it may join them as if they were ten, which takes as long.
        cursor.execute("ANALYZE")
    return made
