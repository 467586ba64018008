"""A hospital whose parts are real, and one sequence of what may happen to them."""

from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings as django_settings
from django.db import transaction

from compliance.models import ApprovalRequest, Permission, Stop
from compliance.services import permissions, stops, voiding
from compliance.states import ApprovalState, Purpose
from config.accounts.models import User
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.core import clock
from config.core.actors import SYSTEM
from registry.models import Version
from serving.domain.probes import PROMPTS
from serving.domain.routing import LeaseClock, RoutingSnapshot, Standing, Target, standing
from serving.engines.memory import ANSWERS_FILE, MemoryEngine
from serving.errors import ClaimLost
from serving.models import Deployment, Replica
from serving.node.app import build_app as build_node_app
from serving.node.state import Node as NodeState
from serving.selectors import routing as selectors
from serving.selectors.leases import lease_for_work
from serving.services import nodes, replicas, rollouts
from serving.services.rollout_records import lock_rollout, move_rollout
from serving.states import ReplicaState, RolloutState
from tests.factories import accounts
from tests.factories import compliance as judge
from tests.factories import gateway as rows
from tests.factories import registry as make
from tests.factories.serving import SECRET, House, NodeTwin
from tests.invariants.model import AWAY_SECONDS, REREAD_SECONDS, Facts, Gateway

NAMES = ("stable", "canary")
PROBE = {"tokens": [[1]] * len(PROMPTS), "margins": [["1.0"]] * len(PROMPTS)}
# No answer may start later than this after its version ceased to be routable, while all is reached.
BOUND_SECONDS = 5.0


class Twin(NodeTwin):
    """A node whose process starts anew without its port being closed meanwhile."""

    url = ""

    def start(self, **changed: Any) -> None:
        base = self._house.base
        engine = MemoryEngine(base=Path(base.slug), base_digest=base.digest, slots=4)
        self.state = NodeState(name=self.name, base_name=base.slug, engine=engine)
        self._app = build_node_app(self.state, secret=SECRET)
        if self.url:
            return

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await self._app(scope, receive, send)

        self.url = self._servers.enter_context(rows.served(app))
        self.row = nodes.register(
            name=self.name,
            url=self.url,
            secret=SECRET,
            base_model=base,
            engine="memory",
            actor=SYSTEM,
        )

    def reboot(self, **changed: Any) -> None:
        self.start()


class Hospital:
    """Two approved versions of one adapter, a deployment, a real node; made once."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.versions: dict[str, Version] = {}
        self.officer: User = accounts.user(Role.COMPLIANCE_OFFICER)
        locked = judge.evaluation_set()
        for seed, name in enumerate(NAMES):
            files = make.package(seed=900 + seed, base_name=house.base.slug)
            files[ANSWERS_FILE] = b'{"default": "low ward"}'
            version = make.version(of=house.adapter, files=files, user=house.engineer)
            judge.evaluated(version, on=locked)
            judge.approved(version)
            self.versions[name] = version
            for path, data in files.items():
                target = house.folder / version.digest / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
        self.deployment: Deployment = house.deployment()
        self.deployment.stable_revision = rows.revision(self.deployment, self.versions["stable"])
        self.deployment.save()


class World:
    """One sequence: acts go to the real services, and are told to the model in passing."""

    def __init__(self, hospital: Hospital, *, began_at: datetime) -> None:
        self.hospital, self.twin = hospital, hospital.house.node
        self.began_at, self.now = began_at, 0.0
        self.has_control = self.has_database = True
        self.node_loaded: set[str] = set()
        self.told_stops: frozenset[str] = frozenset()
        self.truth = {name: Facts() for name in NAMES}
        self.last_true = dict.fromkeys(NAMES, float("-inf"))
        self._read_permissions()
        self.truth["stable"].is_wanted = True
        self.start_gateway()

    # What may happen.

    def approve(self, name: str) -> None:
        if not self.truth[name].permission and not self.truth[name].is_stopped:
            judge.approved(self.hospital.versions[name])
            self._read_permissions()

    def void(self, name: str) -> None:
        requests = ApprovalRequest.objects.filter(
            version=self.hospital.versions[name], state=ApprovalState.APPROVED
        )
        for row in requests:
            voiding.void(row, actor=SYSTEM, reason="test")
        self.truth[name].permission = 0

    def stop(self, name: str) -> None:
        user = self.hospital.house.operator
        stops.issue(digest=self._digest(name), reason="wrong", user=user, actor=actor_of(user))
        self.truth[name].is_stopped = True

    def release(self, name: str) -> None:
        if not self.truth[name].is_stopped:
            return
        row = Stop.objects.get(digest=self._digest(name), released_at=None)
        first, second = self.hospital.house.operator, self.hospital.officer
        stops.ask_release(stop=row, reason="fine", user=first, actor=actor_of(first))
        stops.release(stop=row, user=second, actor=actor_of(second))
        self.truth[name].is_stopped = False

    def load(self, name: str) -> None:
        """What the node's agent does; the node, the lease or a rival may refuse it."""
        version, node = self.hospital.versions[name], self._node()
        if self.truth[name].is_stopped or self.truth[name].is_proven:
            return
        lease = lease_for_work(version)
        if lease is None or name in self.told_stops:
            return
        replica = replicas.want(node=node, version_pk=version.pk, digest=version.digest)
        if replica.state != ReplicaState.WANTED:
            return
        with suppress(ClaimLost):
            attempt = replicas.claim(replica=replica, boot_id=node.boot_id)
            self._put(version, lease)
            self.node_loaded.add(name)
            replicas.acknowledge_ready(
                replica=replica,
                attempt=attempt,
                boot_id=node.boot_id,
                digest=version.digest,
                probe=PROBE,
                actor=SYSTEM,
            )
            self.truth[name].is_proven = True

    def unload(self, name: str) -> None:
        row = Replica.objects.filter(version=self.hospital.versions[name]).first()
        if row is None or row.state != ReplicaState.READY:
            return
        replicas.unload(replica=row)
        self.truth[name].is_proven = False
        httpx.delete(
            f"{self.twin.url}/node/v1/replicas/{self.hospital.versions[name].runtime_name}",
            headers={"Authorization": f"Bearer {SECRET}"},
        )
        self.node_loaded.discard(name)
        row.refresh_from_db()
        replicas.acknowledge_unloaded(replica=row, actor=SYSTEM)

    def reboot(self, _: None = None) -> None:
        """The node's process starts anew; the tables hear of it only when it is looked at."""
        self.twin.reboot()
        self.node_loaded, self.told_stops = set(), frozenset()

    def tend(self, _: None = None) -> None:
        if not self.has_control:
            return
        is_known = self._node().boot_id == self.twin.state.boot_id
        assert nodes.tend(node=self._node())
        for name, facts in self.truth.items():
            facts.is_proven = facts.is_proven and is_known and name in self.node_loaded
        self.told_stops = frozenset(n for n, facts in self.truth.items() if facts.is_stopped)
        self.node_loaded -= self.told_stops

    def switch(self, _: None = None) -> None:
        """The node is taken out of use, or back into it."""
        node = self._node()
        nodes.set_enabled(node=node, is_enabled=not node.is_enabled, reason="test", actor=SYSTEM)

    def weigh(self, percent: int) -> None:
        """The canary's share; a share of nothing ends its trial."""
        deployment = self.hospital.deployment
        deployment.refresh_from_db()
        rollout = deployment.rollouts.filter(state=RolloutState.RUNNING).first()
        user = self.hospital.house.operator
        if rollout is None:
            if percent == 0 or not self.truth["canary"].permission:
                return
            if self.truth["canary"].is_stopped or deployment.rollouts.exists():
                return
            rollout = rollouts.start(
                deployment=deployment,
                version=self.hospital.versions["canary"],
                user=user,
                actor=actor_of(user),
            )
        if percent == 0:
            rollouts.abort(rollout=rollout, reason="test", user=user, actor=actor_of(user))
        else:
            with transaction.atomic():
                row = lock_rollout(rollout)
                move_rollout(
                    row,
                    RolloutState.RUNNING,
                    action="rollout.weight_set",
                    actor=SYSTEM,
                    weight_percent=percent,
                    stage=row.stage + 1,
                )
        self.truth["canary"].is_wanted = percent > 0

    def control(self, is_there: bool) -> None:
        self.has_control = is_there

    def database(self, is_there: bool) -> None:
        self.has_database = is_there

    def gateway(self, _: None = None) -> None:
        """A gateway ends and another one starts: it knows nothing but the tables."""
        if self.has_database:
            self.start_gateway()

    # Time, and the gateway that is watched.

    def start_gateway(self) -> None:
        self.snapshot, self.leases = RoutingSnapshot(), LeaseClock()
        self.read_at = self.polled_at = float("-inf")
        self.model = Gateway(ttl_seconds=django_settings.LEASE_TTL_SECONDS)
        self.poll()

    def pass_(self, seconds: int) -> None:
        """Leases are renewed each second and the gateway polls each second, where they can."""
        end = self.now + seconds
        while self.now < end:
            self.now += min(1.0 if seconds < 10 else 4.0, end - self.now)
            with self.clock():
                if self.has_control:
                    permissions.renew_due()
                    self._renew()
                self.poll()
            self.check()

    def poll(self) -> None:
        """What ``SnapshotKeeper`` does, on the clock of this test."""
        if not self.has_database:
            return
        is_old = self.now - self.read_at >= REREAD_SECONDS
        epochs = (self.snapshot.routing_epoch, self.snapshot.stops_epoch)
        if is_old or selectors.epochs() != epochs:
            self.snapshot = selectors.build_snapshot()
            self.leases.observe(self.snapshot.leases, at_seconds=self.now)
            self.read_at = self.now
        self.polled_at = self.now
        node = self._node()
        seen = {name: facts.copy() for name, facts in self.truth.items()}
        for facts in seen.values():
            facts.is_proven = facts.is_proven and node.is_enabled
        self.model.read(seen, at=self.now)

    def clock(self) -> Any:
        return clock.frozen_at(self.began_at + timedelta(seconds=self.now))

    # What must hold, always.

    def check(self) -> None:
        node = self._node()
        for name, facts in self.truth.items():
            age = self.now - facts.renewed_at
            is_true = (
                facts.is_wanted
                and bool(facts.permission)
                and age < django_settings.LEASE_TTL_SECONDS
                and facts.is_proven
                and node.is_enabled
                and not facts.is_stopped
            )
            if is_true:
                self.last_true[name] = self.now
            given = self.given(name)
            wanted = self.model.seen[name].is_wanted
            expected = self.model.standing(name, at=self.now) if wanted else "not_wanted"
            assert given == expected, (name, given, expected)
            if given == Standing.ROUTABLE:
                bound = BOUND_SECONDS if self.has_database else django_settings.LEASE_TTL_SECONDS
                late = self.now - self.last_true[name]
                assert late <= bound + BOUND_SECONDS * (not self.has_control), (name, late)

    def given(self, name: str) -> str:
        """Whether the gateway would answer with this version now, or why not."""
        route = self.snapshot.deployments[self.hospital.deployment.public_name]
        sides: list[Target | None] = [route.stable, route.canary and route.canary.target]
        for target in sides:
            if target is not None and target.version_pk == self.hospital.versions[name].pk:
                return standing(
                    route,
                    target,
                    snapshot=self.snapshot,
                    leases=self.leases,
                    at_seconds=self.now,
                    is_control_away=self.now - self.polled_at > AWAY_SECONDS,
                )
        return "not_wanted"

    # Parts.

    def _renew(self) -> None:
        for facts in self.truth.values():
            is_due = self.now - facts.renewed_at >= django_settings.LEASE_RENEW_SECONDS / 2
            if facts.permission and is_due and not facts.is_stopped:
                facts.renewals, facts.renewed_at = facts.renewals + 1, self.now

    def _read_permissions(self) -> None:
        for name, facts in self.truth.items():
            row = Permission.objects.filter(
                version=self.hospital.versions[name], purpose=Purpose.SERVE, ended_at=None
            ).first()
            if row is not None and facts.permission != row.pk:
                facts.permission, facts.renewals = row.pk, row.lease_sequence
                facts.renewed_at = (row.renewed_at - self.began_at).total_seconds()

    def _put(self, version: Version, lease: dict[str, Any]) -> None:
        answer = httpx.put(
            f"{self.twin.url}/node/v1/replicas/{version.runtime_name}",
            json={
                "digest": version.digest,
                "path": str(self.hospital.house.folder / version.digest),
                "lease": lease,
            },
            headers={"Authorization": f"Bearer {SECRET}"},
        )
        assert answer.status_code == 200, answer.text

    def _digest(self, name: str) -> str:
        return self.hospital.versions[name].digest

    def _node(self) -> Any:
        self.twin.row.refresh_from_db()
        return self.twin.row
