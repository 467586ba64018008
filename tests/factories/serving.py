"""A small house on the memory engine: real node servers, the real agent, steps by hand."""

import itertools
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from compliance.models import EvaluationRun, EvaluationSet, Permission
from compliance.services import evaluations
from compliance.states import Purpose
from config.accounts.models import User
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.accounts.services import agents
from config.core import clock
from config.core.actors import SYSTEM
from registry.models import BaseModel, Version
from serving import agent
from serving.domain import answer_ids
from serving.domain.answer_ids import AnswerId
from serving.engines.memory import ANSWERS_FILE, MemoryEngine
from serving.models import Deployment, Replica, Rollout
from serving.node.app import build_app as build_node_app
from serving.node.state import Node as NodeState
from serving.selectors.rollouts import unfinished_ids
from serving.services import (
    answers,
    deployments,
    evaluation_runs,
    feedback,
    nodes,
    reconciling,
    rollouts,
)
from serving.services.answers import AnswerRow, answer_mac
from serving.states import Arm, FailureKind, ReplicaState
from tests.factories import accounts
from tests.factories import compliance as judge
from tests.factories import gateway as servers
from tests.factories import registry as make

_numbers = itertools.count(1)
SECRET = "a secret of the nodes of this test"
RIGHT = {"default": None, "rules": [{"contains": word, "answer": word} for word in judge.CLASSES]}


class NodeTwin:
    """A registered node on the memory engine behind a real server; ``reboot`` starts it anew."""

    def __init__(self, house: "House", name: str, **engine: Any) -> None:
        self._house, self._engine, self.name = house, {"slots": 4, **engine}, name
        self._servers = ExitStack()
        house.stack.callback(self.stop)
        self.start()
        _, self.token = agents.issue_agent_token(node_name=name, actor=SYSTEM)

    def start(self, **changed: Any) -> None:
        settings = {"base_digest": self._house.base.digest, **self._engine, **changed}
        engine = MemoryEngine(base=Path(self._house.base.slug), **settings)
        self.state = NodeState(name=self.name, base_name=self._house.base.slug, engine=engine)
        self.url = self._servers.enter_context(
            servers.served(build_node_app(self.state, secret=SECRET))
        )
        self.row = nodes.register(
            name=self.name,
            url=self.url,
            secret=SECRET,
            base_model=self._house.base,
            engine="memory",
            actor=SYSTEM,
        )

    def stop(self) -> None:
        self._servers.close()

    def reboot(self, **changed: Any) -> None:
        self.stop()
        self.start(**changed)

    def tend(self) -> bool:
        self.row.refresh_from_db()
        return nodes.tend(node=self.row)

    def loaded(self) -> set[str]:
        return {entry.name for entry in self.state.engine.loaded()}

    def ask(self, name: str, text: str = "a note", **body: Any) -> httpx.Response:
        return httpx.post(
            f"{self.url}/node/v1/generate",
            json={"name": name, "prompt": text, "max_tokens": 4, **body},
            headers={"Authorization": f"Bearer {SECRET}"},
        )


class House:
    """One base, its nodes, an engineer, an operator, and what tests make of them."""

    def __init__(self, *, stack: ExitStack, api_url: str, folder: Path, setenv: Any) -> None:
        self.stack, self.api_url, self.folder, self._setenv = stack, api_url, folder, setenv
        self.base: BaseModel = make.base_model(slug=f"base{next(_numbers)}")
        self.operator: User = accounts.user(Role.OPERATOR)
        self.engineer: User = accounts.user(Role.ML_ENGINEER)
        self.adapter = make.adapter(base=self.base, owner=self.engineer, safety_class="A")
        self.nodes: list[NodeTwin] = []

    @property
    def node(self) -> NodeTwin:
        return self.nodes[0]

    def add_node(self, **engine: Any) -> NodeTwin:
        twin = NodeTwin(self, f"n{next(_numbers)}", **engine)
        self.nodes.append(twin)
        assert twin.tend()
        return twin

    def version(
        self,
        *,
        script: Mapping[str, Any] | None = None,
        rank: int = 4,
        evaluated_on: list[EvaluationSet] | None = None,
        how: Callable[[str], str] = judge.right,
        is_permitted: bool = True,
        of: Any = None,
    ) -> Version:
        """A submitted, checked version; its package scripts the memory engine."""
        files = make.package(
            rank=rank, seed=next(_numbers), base_name=self.base.slug, lora_alpha=2 * rank
        )
        files[ANSWERS_FILE] = json.dumps({**RIGHT, **(script or {})}).encode()
        made = make.version(of=of or self.adapter, files=files, user=self.engineer)
        judge.run_checks(made)
        for each in evaluated_on or []:
            judge.evaluated(made, on=each, how=how)
        if is_permitted:
            self.permit(made)
        return made

    def permit(self, version: Version) -> Permission:
        return Permission.objects.create(
            version=version, digest=version.digest, purpose=Purpose.SERVE, ttl_seconds=600
        )

    def evaluation_set(self, **values: Any) -> EvaluationSet:
        return judge.evaluation_set(**values)

    def request_evaluation(self, version: Version, on: EvaluationSet) -> EvaluationRun:
        return evaluations.request(
            version=version,
            evaluation_set=on,
            user=self.engineer,
            actor=actor_of(self.engineer),
        )

    def deployment(self, **values: Any) -> Deployment:
        number = next(_numbers)
        return deployments.create(
            **{
                "public_name": f"model-{number}",
                "adapter": self.adapter,
                "base_model": self.base,
                "user": self.operator,
                "actor": actor_of(self.operator),
                **values,
            }
        )

    def start(self, deployment: Deployment, version: Version | None, **values: Any) -> Rollout:
        deployment.refresh_from_db()
        return rollouts.start(
            deployment=deployment,
            version=version,
            user=self.operator,
            actor=actor_of(self.operator),
            **values,
        )

    def live(self, version: Version, **values: Any) -> Deployment:
        """A deployment whose stable version this is, brought there by a rollout."""
        made = self.deployment(**values)
        rollout = self.start(made, version)
        self.settle(until=lambda: state_of(rollout) != "running")
        assert rollout.state == "promoted", (rollout.state, rollout.reason, rollout.paused_reason)
        made.refresh_from_db()
        return made

    def run_agents(self) -> int:
        """What the agents' queues hold, done by the agents' own task functions."""
        count = 0
        for twin in self.nodes:
            self.be_agent_of(twin)
            for replica in Replica.objects.filter(node=twin.row):
                if replica.state == ReplicaState.WANTED:
                    agent.load_replica(str(replica.uuid))
                    count += 1
                elif replica.state == ReplicaState.UNLOADING:
                    agent.unload_replica(str(replica.uuid))
                    count += 1
        return count

    def be_agent_of(self, twin: NodeTwin) -> None:
        self._setenv("FORMULARY_URL", self.api_url)
        self._setenv("FORMULARY_AGENT_TOKEN", twin.token)
        self._setenv("FORMULARY_NODE_URL", twin.url)
        self._setenv("FORMULARY_NODE_SECRET", SECRET)
        self._setenv("FORMULARY_HOME", str(self.folder))

    def run_evaluations(self) -> None:
        for run in EvaluationRun.objects.filter(state="waiting"):
            evaluation_runs.run(run_id=run.pk)
        for version in Version.objects.all():
            judge.run_checks(version)

    def look(self) -> None:
        """One round of everything that runs by itself."""
        for twin in self.nodes:
            twin.tend()
        reconciling.reconcile_all()
        self.run_agents()
        self.run_evaluations()
        for rollout_id in unfinished_ids():
            rollouts.advance(rollout_id=rollout_id)

    def load(self) -> None:
        """Load what is wanted, and let the nodes say that they hold the leases."""
        for twin in self.nodes:
            twin.tend()
        reconciling.reconcile_all()
        self.run_agents()
        for twin in self.nodes * 2:
            twin.tend()

    def settle(self, rounds: int = 8, *, until: Callable[[], bool] = lambda: False) -> None:
        for _ in range(rounds):
            self.look()
            if until():
                return


def state_of(rollout: Rollout) -> str:
    rollout.refresh_from_db()
    return str(rollout.state)


def add_answers(
    rollout: Rollout,
    *,
    canary: int = 0,
    stable: int = 0,
    failure: FailureKind = FailureKind.NONE,
    was_replaced: bool = False,
) -> list[str]:
    """Rows of answers at the rollout's present stage, written as the gateway writes them."""
    rollout.refresh_from_db()
    rows = []
    for arm, count in ((Arm.CANARY, canary), (Arm.STABLE, stable)):
        revision = rollout.to_revision if arm is Arm.CANARY else rollout.from_revision
        assert revision is not None
        for _ in range(count):
            rows.append(_row(rollout, arm, revision, failure, was_replaced))
    answers.record_batch(rows)
    return [row.answer_id for row in rows]


def report(answer_ids_: list[str]) -> None:
    for answer_id in answer_ids_:
        feedback.record(answer_id=answer_id, verdict="bad", category="wrong", actor=SYSTEM)


def _row(
    rollout: Rollout, arm: Arm, revision: Any, failure: FailureKind, was_replaced: bool
) -> AnswerRow:
    now = clock.now()
    answer_id = answer_ids.encode(
        AnswerId(
            deployment_pk=rollout.deployment_id,
            rollout_pk=rollout.pk,
            arm=arm,
            stage=rollout.stage,
            version_pk=revision.version_id,
            issued_at_seconds=int(now.timestamp()),
            nonce=secrets.token_bytes(answer_ids.NONCE_BYTES),
        ),
        mac=answer_mac,
    )
    return AnswerRow(
        answer_id=answer_id,
        deployment_pk=rollout.deployment_id,
        rollout_pk=rollout.pk,
        arm=arm,
        stage=rollout.stage,
        digest=revision.digest,
        node_name="n1",
        unit="",
        failure=failure,
        was_replaced=was_replaced,
        replaces_answer_id="",
        token_name="test",
        prompt_tokens=5,
        completion_tokens=1,
        first_token_ms=1,
        duration_ms=2,
        at=now,
    )


@contextmanager
def house(*, api_url: str, folder: Path, setenv: Any) -> Iterator[House]:
    with ExitStack() as stack:
        yield House(stack=stack, api_url=api_url, folder=folder, setenv=setenv)
