"""What an act that hurts would touch, counted before it is done."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.utils.translation import gettext as _

from config.console import words
from serving.models import Deployment, Node, Replica
from serving.selectors.downloads import accounts_with
from serving.states import OPEN_ROLLOUT_STATES, ReplicaState

_ON_A_NODE = (ReplicaState.LOADING, ReplicaState.READY, ReplicaState.UNLOADING)


@dataclass(frozen=True)
class Reach:
    """What a stop of a digest would touch."""

    nodes: int
    deployments: Sequence[str]
    in_flight: int
    pulled_by: int = 0

    @property
    def words(self) -> str:
        """``2 nodes, 1 deployment (triage), 41 requests in flight, copies at 3 accounts``."""
        names = f" ({', '.join(self.deployments)})" if self.deployments else ""
        text = _("%(nodes)s, %(deployments)s%(names)s, %(in_flight)s in flight") % {
            "nodes": words.counted(self.nodes, "node"),
            "deployments": words.counted(len(self.deployments), "deployment"),
            "names": names,
            "in_flight": words.counted(self.in_flight, "request"),
        }
        if not self.pulled_by:
            return text
        return _("%(text)s, copies at %(accounts)s") % {
            "text": text,
            "accounts": words.counted(self.pulled_by, "account"),
        }


def reach_of(digest: str) -> Reach:
    """The nodes that hold the digest, the deployments that route to it, its answers under way."""
    replicas = Replica.objects.filter(digest=digest, state__in=_ON_A_NODE).select_related("node")
    nodes = [row.node for row in replicas]
    names = (
        Deployment.objects.filter(is_enabled=True)
        .filter(
            Q(stable_revision__digest=digest)
            | Q(
                rollouts__state__in=OPEN_ROLLOUT_STATES,
                rollouts__to_revision__digest=digest,
            )
        )
        .order_by("public_name")
        .values_list("public_name", flat=True)
        .distinct()
    )
    in_flight = sum(_in_flight(node, digest) for node in nodes)
    return Reach(len(nodes), list(names), in_flight, accounts_with(digest))


def _in_flight(node: Node, digest: str) -> int:
    return sum(
        int(row.get("refs") or 0)
        for row in node.status.get("loaded", [])
        if isinstance(row, dict) and row.get("digest") == digest
    )
