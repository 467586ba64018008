"""A house with a history: what the pages show when people have worked in it for two weeks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from compliance.models import ApprovalRequest, EvaluationSet
from compliance.services import checkpoints, permissions, sealing
from config.accounts.models import User
from config.accounts.selectors import actor_of
from config.core import broker, clock
from registry import hold_selectors
from registry.domain.training_parameters import TrainingParameters
from registry.models import AvatarBackup, ScanState, TrainingRun, Version
from registry.services import avatar_backups, avatars, holds
from serving.models import Deployment, Node, Rollout, RolloutStep
from serving.services import heartbeats
from serving.services.alerting import Watch
from tests.factories import console, many, registry, training


@dataclass
class House:
    """Everything that the pages of the browser tests open."""

    world: console.World
    v2: Version
    v3: Version
    v4: Version
    v5: Version
    v6: Version
    request: ApprovalRequest
    deployment: Deployment
    running: Rollout
    rolled_back: Rollout
    nodes: list[Node]
    training: TrainingRun


@contextmanager
def ago(**size: float) -> Iterator[None]:
    """The clock as it was this long ago."""
    with clock.frozen_at(clock.now() - timedelta(**size)):
        yield


def sign(world: console.World, request: Any, user: User, meaning: str, **size: float) -> None:
    """Sign at a moment in the past, so that each code is a fresh one."""
    with ago(**size):
        console.sign(world, request, user, meaning)


def evaluated(
    world: console.World, name: str, notes: str, results: dict[EvaluationSet, int], **size: float
) -> Version:
    """A version uploaded and evaluated at a moment in the past."""
    with ago(**size):
        version = console.version(world, name=name)
        Version.objects.filter(pk=version.pk).update(notes=notes)
        for chosen, right in results.items():
            console.evaluate(world, version, chosen, right=right)
    version.refresh_from_db()
    return version


def ended(rollout: Rollout, state: str, *, steps: str, hours: float, **values: Any) -> None:
    """Bring a rollout to an end in the past."""
    at = clock.now() - timedelta(hours=hours)
    Rollout.objects.filter(pk=rollout.pk).update(
        state=state, started_at=at - timedelta(minutes=9), finished_at=at, **values
    )
    for index, kind in enumerate(steps):
        word = {"d": "done", "f": "failed", "u": "undone", "s": "skipped"}[kind]
        RolloutStep.objects.filter(rollout=rollout, index=index).update(state=word)
    rollout.refresh_from_db()


def wake(house: House) -> None:
    """What the control process does each second: nodes are seen, events are sealed."""
    awake = [node.pk for node in house.nodes[:2]]
    Node.objects.filter(pk__in=awake).update(last_seen_at=clock.now())
    sealing.seal_pending()
    heartbeats.beat(
        name=heartbeats.CONTROL, duties=dict.fromkeys(("seal", "renew", "nodes"), clock.now())
    )
    permissions.renew_due()
    Watch().look()
    for name, queues in (
        ("rollouts@ward", ["control"]),
        ("worker@ward", ["checks", "evaluations"]),
        ("courier@ward", ["deliveries"]),
        ("trainer@ward", ["training"]),
        ("agent@ward-1", ["node.node-1"]),
        ("agent@ward-2", ["node.node-2"]),
        ("beat", []),
    ):
        broker.sign(name, queues=queues)


def build() -> House:
    """Four versions each at another door, a canary under way, a record that waits."""
    with ago(days=15):
        world = console.world()
        adults = console.evaluation_set(world, name="adults", size=120, level="adult")
        children = console.evaluation_set(world, name="children", size=60, level="child")
    both = {adults: 102, children: 49}
    v1 = evaluated(world, "v1", "First version, trained on 600 notes.", both, days=14)
    with ago(days=14, hours=-1):
        request = console.request_approval(world, v1)
    sign(world, request, world.reviewer, "reviewed_technical", days=13)
    sign(world, request, world.clinician, "approved", days=13, hours=-2)
    deployment = console.deployment(world, stable=v1)
    first_at = clock.now() - timedelta(days=13)
    Rollout.objects.create(
        deployment=deployment,
        to_revision=deployment.stable_revision,
        strategy="canary",
        state="promoted",
        started_by=world.operator,
        started_at=first_at - timedelta(minutes=4),
        finished_at=first_at,
    )
    both = {adults: 116, children: 57}
    v2 = evaluated(world, "v2", "More notes, and a second pass over the hard ones.", both, days=6)
    with ago(days=6, hours=-1):
        request = console.request_approval(world, v2)
    sign(world, request, world.reviewer, "reviewed_technical", days=5)
    sign(world, request, world.clinician, "approved", days=5, hours=-3)
    first = console.rollout(world, deployment, v2, state="promoted")
    ended(first, "promoted", steps="dddddddd", hours=96, weight_percent=100)
    deployment.stable_revision = first.to_revision
    deployment.stable_since = first.finished_at
    deployment.save()
    for version, expected, days in ((v1, None, 13), (v2, v1, 4)):
        with ago(days=days):
            registry.go_live(version, instead_of=expected)
    v3 = evaluated(world, "v3", "Tuned for adults at night.", {adults: 117}, days=3)
    v4 = evaluated(world, "v4", "Shorter answers.", {adults: 116, children: 56}, days=2)
    with ago(days=2, hours=-1):
        request = console.request_approval(world, v4)
    sign(world, request, world.reviewer, "reviewed_technical", days=1, hours=6)
    sign(world, request, world.clinician, "approved", days=1, hours=5)
    back = console.rollout(world, deployment, v4, state="rolled_back")
    console.answers(back, stable=84, canary=21, broken=5)
    ended(
        back,
        "rolled_back",
        steps="ddufssss",
        hours=26,
        weight_percent=0,
        trigger="contract_broken",
        reason="5 of 21 answers of the candidate and 0 of 84 of stable counted against it.",
    )
    for requests, bad, worse in ((30, 1, 0.3), (60, 3, 1.0), (105, 5, 1.9)):
        console.analysis(
            back,
            worse=worse,
            safe=0.0,
            requests=requests,
            canary_bad_count=bad,
            verdict="failed" if worse > 1.6 else "running",
        )
    v5 = evaluated(world, "v5", "Hears pain better.", {adults: 117, children: 58}, hours=9)
    with ago(hours=8):
        request = console.request_approval(world, v5)
    sign(world, request, world.reviewer, "reviewed_technical", hours=7)
    sign(world, request, world.clinician, "approved", hours=6)
    many.answers(deployment, 6000)
    running = console.rollout(world, deployment, v5)
    console.answers(running, stable=412, canary=103)
    for index in range(1, 40):
        console.analysis(
            running,
            worse=0.0,
            safe=round(0.0285 * index, 3),
            requests=13 * index,
            needed_requests=max(0, 780 - 13 * index),
            canary_count=int(2.6 * index),
            stable_count=int(10.4 * index),
        )
        console.analysis(
            running,
            signal="reports",
            worse=round(0.004 * index + (0.15 if index > 22 else 0), 3),
            safe=round(0.012 * index, 3),
            requests=13 * index,
            needed_requests=1400 - 13 * index,
            canary_count=int(2.6 * index),
            canary_bad_count=index // 13,
            stable_count=int(10.4 * index),
            stable_bad_count=index // 4,
        )
    v6 = evaluated(world, "v6", "Knows the new ward names.", {adults: 118, children: 58}, hours=5)
    with ago(hours=4):
        request = console.request_approval(world, v6)
    nodes = [
        console.node(world, name="node-1"),
        console.node(world, name="node-2"),
        console.node(world, name="node-3", seen_seconds_ago=400),
    ]
    for node, version, state, error in (
        (nodes[0], v2, "ready", ""),
        (nodes[0], v5, "ready", ""),
        (nodes[1], v2, "ready", ""),
        (nodes[1], v5, "loading", ""),
        (nodes[2], v5, "failed", "No slot is free: 8 of 8 are taken."),
    ):
        console.replica(node, version, state=state, error=error)
    Node.objects.filter(pk=nodes[2].pk).update(last_error="No connection could be made.")
    sealing.seal_pending()
    checkpoints.write_due(is_forced=True)
    run = training_under_way(world)
    avatar_of_the_engineer(world)
    holds_on(world, v2)
    return House(world, v2, v3, v4, v5, v6, request, deployment, running, back, nodes, run)


def avatar_of_the_engineer(world: console.World) -> None:
    """With texts in every state of their scan, some of them left out, and two backups."""
    name, owner, actor = "night-desk", world.engineer, actor_of(world.engineer)
    with ago(days=2):
        avatar, _ = avatars.create(owner=owner, name=name, actor=actor)
        training.upload(owner, name, training.texts(3))
        training.upload(owner, name, {"drafts.txt": b"Invented note"}, use_for_training=False)
    states = (ScanState.PASSED, ScanState.REFUSED, ScanState.PASSED)
    for file, state in zip(avatar.files.order_by("name"), states, strict=False):
        avatar.files.filter(pk=file.pk).update(scan_state=state)
    avatar_backups.back_up(avatar=avatar, reason=AvatarBackup.Reason.ASKED, actor=actor)


def holds_on(world: console.World, version: Version) -> None:
    """One matter that stands, and another whose hold was released."""
    actor = actor_of(world.officer)
    with ago(days=1):
        for matter in ("Case 2026-14", "Yearly review"):
            placed = holds.place(
                **asdict(hold_selectors.target_of_version(version)),
                matter=matter,
                reason="The board asked that this version be kept as it was.",
                actor=actor,
            )
    holds.release(uuid=placed[0].uuid, reason="The review has ended.", actor=actor)


def training_under_way(world: console.World) -> TrainingRun:
    """A training of the engineer in its second epoch."""
    return TrainingRun.objects.create(
        adapter=world.adapter,
        base_model=world.adapter.base_model,
        base_digest=world.adapter.base_model.digest,
        trainer="lora",
        parameters=TrainingParameters().as_json(),
        seed=42,
        data=[{"file": str(uuid4()), "kind": "jsonl", "sha256": "5" * 64, "size_bytes": 48_200}],
        state="running",
        attempt=1,
        heartbeat_at=clock.now(),
        started_at=clock.now() - timedelta(minutes=4),
        step=112,
        steps=300,
        series=[[step, 1.1 + 2.6 * 0.97**step] for step in range(2, 113, 2)],
        libraries={"torch": "2.13.0", "peft": "0.21.2"},
        requested_by=world.engineer,
        requested_at=clock.now() - timedelta(minutes=5),
    )
