"""Rows that fill the console's pages; judgements come from the real services."""

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from compliance.models import CheckRun, EvaluationRun, EvaluationSet
from compliance.services import approvals, check_runs, evaluation_sets, evaluations
from compliance.states import RunState
from config.accounts.models import User
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.accounts.services import second_factors
from config.core import clock, keys
from registry.models import Adapter, Version
from serving.models import (
    AnalysisRun,
    Answer,
    Deployment,
    Feedback,
    Node,
    Replica,
    Revision,
    Rollout,
    RolloutStep,
)
from serving.services import heartbeats
from tests.factories import accounts, registry

TEMPLATE = [{"role": "user", "content": "{text}"}]
CLASSES = ("red", "amber", "green")
_numbers = itertools.count(1)


@dataclass
class World:
    """People with their authenticators, an adapter and what hangs on it."""

    engineer: User
    reviewer: User
    clinician: User
    operator: User
    officer: User
    secrets: dict[str, str] = field(default_factory=dict)
    adapter: Adapter | None = None

    def people(self) -> list[User]:
        return [self.engineer, self.reviewer, self.clinician, self.operator, self.officer]

    def code(self, user: User, *, step: int = 0) -> str:
        return second_factors.totp_code(self.secrets[user.username], step=step)


def world() -> World:
    """Five people of five roles, each with a second factor, and an adapter of class A."""

    def member(name: str, username: str, *roles: Role) -> User:
        return accounts.user(*roles, username=username, of=accounts.person(name))

    made = World(
        engineer=member("Ada Example", "ada", Role.ML_ENGINEER),
        reviewer=member("Ben Example", "ben", Role.REVIEWER),
        clinician=member("Dr. Cleo Example", "cleo", Role.CLINICAL_REVIEWER),
        operator=member("Dan Example", "dan", Role.OPERATOR),
        officer=member("Eve Example", "eve", Role.COMPLIANCE_OFFICER),
    )
    heartbeats.beat(name=heartbeats.CONTROL, duties={})
    for user in made.people():
        made.secrets[user.username] = accounts.totp_secret(user)
    made.adapter = registry.adapter(
        slug="triage",
        name="Triage assistant",
        owner=made.engineer,
        safety_class="A",
        description="Reads a front-desk note and proposes urgency and department; a nurse decides.",
        medical_domain="emergency medicine",
        clinical_use_case="Sorting notes at the front desk",
        tags=["triage", "front desk"],
    )
    return made


LABEL = {
    "purpose": "Proposes urgency and department for a front-desk note. A nurse reads every note.",
    "population": [
        {"attribute": "age_group", "level": "adult"},
        {"attribute": "age_group", "level": "child"},
    ],
    "setting": "Emergency department, front desk",
    "language": "en",
    "limits": "Not for notes in other languages than English; not for psychiatric emergencies.",
}


def version(
    of: World, *, name: str = "", seed: int = 0, label: Any = None, checked: bool = True
) -> Version:
    """A version with its package checks run."""
    made = registry.version(
        of=of.adapter,
        user=of.engineer,
        version_name=name,
        files=registry.package(rank=4, seed=seed or next(_numbers)),
        label=LABEL if label is None else label,
    )
    if checked:
        run_checks(made)
    return made


def run_checks(version: Version) -> None:
    """Execute every check run that waits."""
    for run in CheckRun.objects.filter(version=version, state=RunState.WAITING).order_by("pk"):
        check_runs.execute(run_id=run.pk)


def evaluation_set(of: World, *, name: str, size: int, level: str) -> EvaluationSet:
    """A locked set of invented notes of one age group."""
    items = [
        {
            "text": f"Invented note {name} {index}",
            "expected": CLASSES[index % 3],
            "groups": {"age_group": level},
        }
        for index in range(size)
    ]
    return evaluation_sets.lock(
        name=name,
        version_name="1",
        items=items,
        prompt_template=TEMPLATE,
        user=of.engineer,
        actor=actor_of(of.engineer),
    )


def evaluate(of: World, version: Version, chosen: EvaluationSet, *, right: int) -> EvaluationRun:
    """A recorded run with this many right answers, and its evidence checks."""
    run = evaluations.request(
        version=version, evaluation_set=chosen, user=of.engineer, actor=actor_of(of.engineer)
    )
    attempt = evaluations.begin(
        run_id=run.pk, node_name="node-1", engine_build="torch-1", device="cpu", dtype="float32"
    )
    assert attempt is not None
    rows = []
    for item in chosen.items.order_by("index"):
        wrong = CLASSES[(CLASSES.index(item.expected) + 1) % 3]
        answer = item.expected if item.index < right else wrong
        rows.append({"index": item.index, "answer": answer, "finish": "stop", "duration_ms": 40})
    evaluations.record(run_id=run.pk, attempt=attempt, rows=rows)
    evaluations.finish(run_id=run.pk, attempt=attempt)
    run_checks(version)
    run.refresh_from_db()
    return run


def request_approval(of: World, version: Version) -> Any:
    return approvals.request(version=version, user=of.engineer, actor=actor_of(of.engineer))


def sign(of: World, request: Any, user: User, meaning: str) -> Any:
    """Sign as ``user``; durable, so only in tests with real transactions."""
    request.refresh_from_db()
    return approvals.sign(
        request=request,
        meaning=meaning,
        record_sha256=request.record.sha256,
        user=user,
        actor=actor_of(user),
        username=user.username,
        password=accounts.PASSWORD,
        code=of.code(user, step=1),
        has_read=True,
    )


def approved(of: World, version: Version, adults: EvaluationSet, children: EvaluationSet) -> Any:
    """Evaluate well, ask, and have both people sign."""
    evaluate(of, version, adults, right=adults.items_count - 4)
    evaluate(of, version, children, right=children.items_count - 3)
    request = request_approval(of, version)
    sign(of, request, of.reviewer, "reviewed_technical")
    sign(of, request, of.clinician, "approved")
    return request


def node(of: World, *, name: str = "node-1", seen_seconds_ago: float = 1.0) -> Node:
    assert of.adapter is not None
    return Node.objects.create(
        name=name,
        url="http://127.0.0.1:9",
        secret_encrypted=keys.encrypt("secret"),
        base_model=of.adapter.base_model,
        engine="memory",
        boot_id="b0a1c2d3e4",
        status={
            "boot_id": "b0a1c2d3e4",
            "slots": 8,
            "loaded": [],
            "max_rank": 64,
            "dtype": "float32",
            "device": "cpu",
            "memory_bytes": 1_480_000_000,
        },
        last_seen_at=clock.now() - timedelta(seconds=seen_seconds_ago),
    )


def replica(on: Node, of: Version, *, state: str = "ready", error: str = "") -> Replica:
    if state == "ready":
        on.status["loaded"].append(
            {"name": of.runtime_name, "digest": of.digest, "state": "loaded", "refs": 3}
        )
        on.save(update_fields=["status"])
    return Replica.objects.create(
        node=on,
        version=of,
        digest=of.digest,
        state=state,
        error=error,
        proven_boot_id=on.boot_id if state == "ready" else "",
        proven_at=clock.now() if state == "ready" else None,
    )


def deployment(of: World, *, stable: Version | None = None) -> Deployment:
    assert of.adapter is not None
    made = Deployment.objects.create(
        public_name="triage",
        title="Triage assistant",
        adapter=of.adapter,
        base_model=of.adapter.base_model,
        output_contract={"max_tokens": 6, "pattern": "(red|amber|green)"},
        created_by=of.operator,
    )
    if stable is not None:
        made.stable_revision = revision(of, made, stable)
        made.stable_since = clock.now() - timedelta(days=3)
        made.save()
    return made


def revision(of: World, deployment: Deployment, version: Version) -> Revision:
    return Revision.objects.create(
        deployment=deployment,
        number=deployment.revisions.count() + 1,
        version=version,
        digest=version.digest,
        created_by=of.operator,
    )


STEPS = (
    ("load", {}),
    ("evaluate", {}),
    ("set_weight", {"weight_percent": 20}),
    ("analyse", {}),
    ("set_weight", {"weight_percent": 50}),
    ("analyse", {}),
    ("promote", {}),
    ("unload", {}),
)


def rollout(
    of: World, deployment: Deployment, to: Version, *, state: str = "running", **values: Any
) -> Rollout:
    """A canary at its first share, with its steps."""
    made = Rollout.objects.create(
        deployment=deployment,
        from_revision=deployment.stable_revision,
        to_revision=revision(of, deployment, to),
        strategy="canary",
        state=state,
        stage=1,
        weight_percent=values.pop("weight_percent", 20),
        started_by=of.operator,
        started_at=clock.now() - timedelta(minutes=4),
        **values,
    )
    for index, (kind, params) in enumerate(STEPS):
        done = "done" if index < 3 else "running" if index == 3 else "waiting"
        RolloutStep.objects.create(
            rollout=made,
            index=index,
            kind=kind,
            params=params,
            state=done,
            started_at=clock.now() if done != "waiting" else None,
        )
    return made


def answers(rollout: Rollout, *, stable: int, canary: int, broken: int = 0) -> None:
    """Answers of both arms; the first ``broken`` canary answers were replaced by stable's."""
    now = clock.now()
    assert rollout.from_revision is not None
    rows = []
    for arm, count, digest in (
        ("stable", stable, rollout.from_revision.digest),
        ("canary", canary, rollout.to_revision.digest),
    ):
        for index in range(count):
            is_broken = arm == "canary" and index < broken
            rows.append(
                Answer(
                    answer_id=f"{rollout.pk}-{arm}-{next(_numbers)}",
                    deployment=rollout.deployment,
                    rollout=rollout,
                    arm=arm,
                    stage=1,
                    digest=digest,
                    node_name="node-1",
                    failure="contract_broken" if is_broken else "",
                    was_replaced=is_broken,
                    duration_ms=40,
                    token_name="front-desk",
                    at=now - timedelta(seconds=index * 2),
                )
            )
    Answer.objects.bulk_create(rows)
    Rollout.objects.filter(pk=rollout.pk).update(requests_count=stable + canary)


def analysis(rollout: Rollout, *, worse: float, safe: float, requests: int, **values: Any) -> Any:
    return AnalysisRun.objects.create(
        rollout=rollout,
        step_index=3,
        stage=1,
        signal=values.pop("signal", "failures"),
        verdict=values.pop("verdict", "running"),
        requests_count=requests,
        canary_count=values.pop("canary_count", requests // 5),
        stable_count=values.pop("stable_count", requests - requests // 5),
        log10_worse=worse,
        log10_safe=safe,
        log10_limit=values.pop("log10_limit", 1.6),
        **values,
    )


def feedback(answer: Answer) -> Feedback:
    return Feedback.objects.create(
        answer_id=answer.answer_id,
        deployment=answer.deployment,
        rollout=answer.rollout,
        arm=answer.arm,
        stage=answer.stage,
        digest=answer.digest,
        is_bad=True,
        reported_by="app",
    )
