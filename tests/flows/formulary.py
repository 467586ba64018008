"""Formulary as it runs, in one test: web with its gateway, control loop, workers, one node."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import openai

from compliance.selectors.permissions import epoch
from config.accounts.models import User
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.accounts.services import agents
from config.core import clock
from config.core.actors import SYSTEM
from registry.models import Adapter, BaseModel, Version
from registry.services import base_models
from serving.control import Control
from serving.gateway.gateway import Gateway
from serving.gateway.limits import Limits
from serving.models import Deployment, Rollout
from serving.services import deployments, nodes, rollouts
from serving.states import OPEN_ROLLOUT_STATES
from tests.factories import accounts
from tests.factories import compliance as judge
from tests.factories import gateway as servers
from tests.factories import registry as make
from tests.flows.processes import SECRET, NodeProcess, Workers
from tests.flows.waiting import until

_numbers = itertools.count(1)
PATIENT = Limits(row_commit_seconds=30.0)
"""The product's own, but each answer's row is there when it ends, however slow the disk."""


class Formulary:
    """One base and its node; ``url`` answers for the console, the API and the gateway."""

    def __init__(
        self, *, stack: ExitStack, folder: Path, setenv: Callable[[str, str], None]
    ) -> None:
        self._stack, self._setenv = stack, setenv
        self.folder = folder
        self.workers: Workers | None = None
        self.control = Control()

    def start(
        self, *, engine: str, base: Path, limits: Limits = PATIENT, **options: int | str
    ) -> None:
        """Everything but the workers, in the order of the supervisor."""
        from config.asgi import Application, _django

        self.base: BaseModel = base_models.register(
            folder=base, slug=base.name, declared_names=[], actor=SYSTEM
        )
        self.gateway = Gateway(limits)
        app = Application(_django, self.gateway)  # type: ignore[arg-type]
        self.url = self._stack.enter_context(servers.served(app))
        self.node = NodeProcess(
            name=f"node-{next(_numbers)}",
            base=base,
            folder=self.folder / "node",
            engine=engine,
            **options,
        )
        self._stack.callback(self.node.kill)
        self.node.start()
        self.row = nodes.register(
            name=self.node.name,
            url=self.node.url,
            secret=SECRET,
            base_model=self.base,
            engine=engine,
            actor=SYSTEM,
        )
        _, token = agents.issue_agent_token(node_name=self.node.name, actor=SYSTEM)
        for name, value in {
            "FORMULARY_URL": self.url,
            "FORMULARY_AGENT_TOKEN": token,
            "FORMULARY_NODE_URL": self.node.url,
            "FORMULARY_NODE_SECRET": SECRET,
            "FORMULARY_HOME": str(self.folder / "agent"),
        }.items():
            self._setenv(name, value)
        self.start_control()
        # What they do now is over before the next test's database is there.
        self._stack.callback(self.stop_control)
        self._stack.callback(self.stop_workers)

    def start_workers(self) -> None:
        """Workers; also after some that were stopped.

        Not before ``Staff`` has its versions approved: it does the workers' part itself.
        """
        self.workers = Workers(node_queue=self.row.queue)
        self.workers.start()

    def stop_workers(self) -> None:
        """End them after what they do now; an error in it fails the test."""
        if self.workers is not None:
            self.workers.stop()

    def start_control(self) -> None:
        """A control loop that leads; also after one that was stopped."""
        self.control = Control()
        self._loop = threading.Thread(target=self.control.run, name="control", daemon=True)
        self._loop.start()
        assert self.control.is_leading.wait(20)

    def stop_control(self) -> None:
        """Nothing is observed, renewed or told any more."""
        self.control.stop()
        self._loop.join(30)
        assert not self._loop.is_alive()

    def await_gateway(self) -> None:
        """The gateway has read what is stopped, permitted and routed at this call."""
        routing, stops = epoch()

        def has_read() -> bool:
            now = self.gateway.snapshots.current
            return now.routing_epoch >= routing and now.stops_epoch >= stops

        until(has_read)

    def client(self) -> openai.OpenAI:
        """The official client with a token of an application."""
        made = openai.OpenAI(
            base_url=f"{self.url}/v1",
            api_key=accounts.token_text(accounts.user(Role.APPLICATION)),
            max_retries=0,
            timeout=60,
        )
        self._stack.callback(made.close)
        return made


class Staff:
    """An engineer and an operator who bring versions to the road by the services."""

    def __init__(self, formulary: Formulary) -> None:
        self._formulary = formulary
        self.engineer: User = accounts.user(Role.ML_ENGINEER)
        self.operator: User = accounts.user(Role.OPERATOR)
        self.set = judge.evaluation_set(given=judge.items(60))
        self._by = {"user": self.operator, "actor": actor_of(self.operator)}

    def adapter(self) -> Adapter:
        return make.adapter(base=self._formulary.base, owner=self.engineer, safety_class="A")

    def approved(self, files: dict[str, bytes], *, of: Adapter) -> Version:
        """A version that was checked, evaluated, reviewed and approved in the last half minute."""
        # A signature is dated 30 s after what came before it; so this one is dated now.
        with clock.frozen_at(clock.now() - timedelta(seconds=30)):
            version = make.version(of=of, files=files, user=self.engineer)
            judge.approved(judge.evaluated(version, on=self.set))
        return version

    def deployment(self, adapter: Adapter | None, **values: Any) -> Deployment:
        return deployments.create(
            public_name=f"model-{next(_numbers)}",
            adapter=adapter,
            base_model=self._formulary.base,
            **values,
            **self._by,  # type: ignore[arg-type]
        )

    def begin(self, deployment: Deployment, version: Version | None, reason: str = "") -> Rollout:
        deployment.refresh_from_db()
        return rollouts.start(
            deployment=deployment,
            version=version,
            reason=reason,
            **self._by,  # type: ignore[arg-type]
        )

    def live(self, version: Version | None, adapter: Adapter | None, **values: Any) -> Deployment:
        """A deployment in which this version (None: the base) answers everyone."""
        made = self.deployment(adapter, **values)
        rollout = self.begin(made, version, reason="" if version else "for comparison")
        assert over(rollout).state == "promoted", (rollout.reason, rollout.paused_reason)
        return made


def over(rollout: Rollout, *, seconds: float = 60.0) -> Rollout:
    """The rollout at its end."""

    def look() -> bool:
        rollout.refresh_from_db()
        return rollout.state not in OPEN_ROLLOUT_STATES

    until(look, seconds=seconds)
    return rollout


@contextmanager
def formulary(*, folder: Path, setenv: Callable[[str, str], None]) -> Iterator[Formulary]:
    with ExitStack() as stack:
        yield Formulary(stack=stack, folder=folder, setenv=setenv)
