"""A deployment whose two versions a real node on the memory engine answers for."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from config.accounts.models import User
from registry.models import Version
from serving.engines.memory import MemoryEngine
from serving.gateway.gateway import Gateway
from serving.gateway.limits import Limits
from serving.models import Deployment
from serving.node.app import build_app as build_node_app
from serving.node.state import Node as NodeState
from tests.factories import gateway as make

BASE_DIGEST = "b" * 64
FAST = Limits(poll_seconds=0.02, reread_seconds=0.2)


@dataclass
class Lab:
    """Stable answers at once, the candidate slowly; ``url`` is the whole application's."""

    url: str
    deployment: Deployment
    stable: Version
    candidate: Version
    node: make.NodeTwin
    folder: Path
    person: User


@contextmanager
def lab(folder: Path, person: User, *, token_latency_ms: float = 0.0) -> Iterator[Lab]:
    """One base, one node, a rollout under way; the candidate waits before each of its tokens."""
    from config.asgi import Application, _django

    with ExitStack() as servers:
        base = make.base_model(BASE_DIGEST)
        twin = NodeState(
            name="node1",
            base_name=base.slug,
            engine=MemoryEngine(base=Path(base.slug), base_digest=BASE_DIGEST, slots=8),
        )
        address = servers.enter_context(make.served(build_node_app(twin, secret=make.NODE_SECRET)))
        node = make.NodeTwin(address, twin, base, folder)
        stable = make.version(folder, base, by=person, default="amber, medicine, see a nurse")
        candidate = make.version(
            folder,
            base,
            by=person,
            default=" ".join(f"word{number}" for number in range(40)),
            token_latency_ms=token_latency_ms,
        )
        Version.objects.filter(pk=candidate.pk).update(
            adapter=stable.adapter, number=2, version_name="2"
        )
        candidate = Version.objects.select_related("adapter").get(pk=candidate.pk)
        for version in (stable, candidate):
            node.load(version)
            make.permit(version)
        deployment = make.deployment(stable, base, by=person)
        make.rollout(deployment, candidate, weight_percent=20)
        url = servers.enter_context(make.served(Application(_django, Gateway(FAST))))  # type: ignore[arg-type]
        yield Lab(url, deployment, stable, candidate, node, folder, person)
