"""Rollouts on a node that only the database knows: proven replicas without a server."""

import itertools
from datetime import timedelta
from typing import Any

from compliance.models import EvaluationSet, Permission
from compliance.states import Purpose
from config.accounts.models import User
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.core import clock, keys
from registry.models import Version
from serving.models import Deployment, Node, Replica, Rollout
from serving.services import deployments, rollouts
from serving.states import ReplicaState
from tests.factories import accounts
from tests.factories import compliance as judge
from tests.factories import registry as make

_numbers = itertools.count(1)
ITEMS = 30
SEEN_UNTIL = timedelta(days=365)
POLICY = {"comparison_margin": 0.2, "first_accuracy_low": 0.5}
"""What thirty items can show; everything else is by default."""


class Desk:
    """One base, one proven node, an operator, an engineer, and rollouts moved by hand."""

    def __init__(self, *, items: int = ITEMS) -> None:
        self.base = make.base_model(slug=f"desk{next(_numbers)}")
        self.operator: User = accounts.user(Role.OPERATOR)
        self.engineer: User = accounts.user(Role.ML_ENGINEER)
        self.adapter = make.adapter(base=self.base, owner=self.engineer, safety_class="A")
        self.set: EvaluationSet = judge.evaluation_set(given=judge.items(items))
        self.nodes = [self.add_node()]

    def add_node(self) -> Node:
        """A node that goes on answering and says what it may serve."""
        return Node.objects.create(
            name=f"desk-node-{next(_numbers)}",
            url="http://127.0.0.1:9",
            secret_encrypted=keys.encrypt("a secret of a node that is nowhere"),
            base_model=self.base,
            engine="memory",
            boot_id="boot-1",
            last_seen_at=clock.now() + SEEN_UNTIL,
            status={"slots": 100, "max_rank": 64, "may_serve": [], "loaded": []},
        )

    def version(self, *, how: Any = judge.right, is_permitted: bool = True) -> Version:
        """Submitted, checked, evaluated, permitted, and proven on every node."""
        files = make.package(rank=4, seed=next(_numbers), base_name=self.base.slug, lora_alpha=8)
        made = make.version(of=self.adapter, files=files, user=self.engineer)
        judge.evaluated(made, on=self.set, how=how)
        if is_permitted:
            Permission.objects.create(
                version=made, digest=made.digest, purpose=Purpose.SERVE, ttl_seconds=600
            )
        self.prove(made)
        return made

    def prove(self, version: Version) -> None:
        """As an agent and its node would have left it."""
        for node in self.nodes:
            node.refresh_from_db()
            node.status["may_serve"] = [*node.status["may_serve"], version.digest]
            node.save(update_fields=["status"])
            Replica.objects.create(
                node=node,
                version=version,
                digest=version.digest,
                state=ReplicaState.READY,
                proven_boot_id=node.boot_id,
                proven_at=clock.now(),
            )

    def by(self) -> dict[str, Any]:
        """Who does it, and why."""
        return {"user": self.operator, "actor": actor_of(self.operator), "reason": "because"}

    def deployment(self, **policy: Any) -> Deployment:
        return deployments.create(
            public_name=f"desk-{next(_numbers)}",
            adapter=self.adapter,
            base_model=self.base,
            user=self.operator,
            actor=actor_of(self.operator),
            policy={**POLICY, **policy},
        )

    def start(self, deployment: Deployment, version: Version, **values: Any) -> Rollout:
        deployment.refresh_from_db()
        made = rollouts.start(
            deployment=deployment,
            version=version,
            user=self.operator,
            actor=actor_of(self.operator),
            **values,
        )
        return advanced(made)

    def live(self, *versions: Version, **policy: Any) -> Deployment:
        """A deployment in which these were promoted, one after the other."""
        made = self.deployment(**policy)
        for version in versions:
            rollout = self.start(made, version)
            if rollout.state != "promoted":
                undecided(rollout)
                rollouts.promote(rollout=rollout, **self.by())
            rollout.refresh_from_db()
            assert rollout.state == "promoted", (rollout.state, rollout.reason)
        made.refresh_from_db()
        return made


def advanced(rollout: Rollout, rounds: int = 30) -> Rollout:
    """Moved on until nothing is left to do now."""
    for _ in range(rounds):
        if not rollouts.advance(rollout_id=rollout.pk):
            break
    rollout.refresh_from_db()
    return rollout


def undecided(rollout: Rollout) -> None:
    """Let the days of a rollout's policy pass, so that a person is asked."""
    started_at = clock.now() - timedelta(days=8)
    Rollout.objects.filter(pk=rollout.pk).update(started_at=started_at)
    advanced(rollout)
    assert rollout.paused_kind == "inconclusive", (rollout.state, rollout.paused_reason)
