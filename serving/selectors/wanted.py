"""Which versions have a reason to be on a node: intent and permission, read together."""

from collections import defaultdict
from collections.abc import Iterable

from compliance.models import EvaluationRun
from compliance.selectors.permissions import open_permissions
from compliance.selectors.stops import stopped_digests
from compliance.states import Purpose, RunState
from registry.models import BaseModel, Version
from serving.domain.reconcile import Reason, Wish, node_for_evaluation
from serving.models import Deployment, Node, Replica, Revision, Rollout
from serving.selectors.nodes import is_usable, slots_of
from serving.states import ADVANCING_ROLLOUT_STATES, ROLLBACK, ReplicaState, RolloutState


def wishes_for(base_model: BaseModel) -> dict[int, list[Wish]]:
    """Node pk → what is wished on it, for every usable node of a base.

    Only what is permitted and not stopped; only what the node's max rank can take.
    """
    nodes = [node for node in _nodes(base_model) if is_usable(node)]
    everywhere = _permitted(_serving_wishes(base_model), Purpose.SERVE)
    evaluations = _permitted(_evaluation_wishes(base_model), Purpose.EVALUATE)
    held: defaultdict[int, set[int]] = defaultdict(set)
    rows = Replica.objects.filter(node__in=nodes).exclude(
        state__in=[ReplicaState.UNLOADED, ReplicaState.UNLOADING]
    )
    for node_pk, version_pk in rows.values_list("node_id", "version_id"):
        held[node_pk].add(version_pk)
    ranks = _ranks({wish.version_pk for wish in [*everywhere, *evaluations]})
    found: dict[int, list[Wish]] = {
        node.pk: [wish for wish in everywhere if fits(node, ranks.get(wish.version_pk, 0))]
        for node in nodes
    }
    for wish in evaluations:
        rank = ranks.get(wish.version_pk, 0)
        states = [
            (node.pk, slots_of(node) - len(held[node.pk]), frozenset(held[node.pk]))
            for node in nodes
            if fits(node, rank)
        ]
        chosen = node_for_evaluation(wish.version_pk, states)
        if chosen is not None:
            found[chosen].append(wish)
            held[chosen].add(wish.version_pk)
    return found


def fits(node: Node, rank: int) -> bool:
    """Whether the node's engine takes adapters of this rank."""
    return rank <= int(node.status.get("max_rank") or 0)


def nodes_for(base_model: BaseModel, version: Version) -> tuple[list[Node], list[Node]]:
    """The usable nodes of a base, and those of them whose engine takes this version's rank."""
    usable = [node for node in _nodes(base_model) if is_usable(node)]
    rank = _rank(version.peft_facts)
    return usable, [node for node in usable if fits(node, rank)]


def previous_revision(deployment: Deployment) -> Revision | None:
    """The newest earlier stable revision that may be served now; None when there is none.

    What a rollback has left is not gone back to.
    """
    current = deployment.stable_revision
    if current is None:
        return None
    permitted = set(open_permissions(Purpose.SERVE).values_list("digest", flat=True))
    permitted -= stopped_digests()
    left: set[str] = set()
    rollouts = Rollout.objects.filter(
        deployment=deployment, state=RolloutState.PROMOTED, from_revision__isnull=False
    ).select_related("from_revision__version__adapter")
    for rollout in rollouts.order_by("-pk")[:50]:
        revision = rollout.from_revision
        assert revision is not None, "filtered above"
        if rollout.strategy == ROLLBACK:
            left.add(revision.digest)
            continue
        is_other = revision.digest != current.digest and revision.digest not in left
        if is_other and revision.version_id and revision.digest in permitted:
            return revision
    return None


def _nodes(base_model: BaseModel) -> list[Node]:
    return list(Node.objects.filter(base_model=base_model, is_enabled=True).order_by("pk"))


def _serving_wishes(base_model: BaseModel) -> list[Wish]:
    wishes: list[Wish] = []
    deployments = Deployment.objects.filter(
        base_model=base_model, is_enabled=True, stable_revision__isnull=False
    ).select_related("stable_revision")
    for deployment in deployments.order_by("pk"):
        stable = deployment.stable_revision
        if stable is not None and stable.version_id:
            wishes.append(Wish(stable.version_id, Reason.STABLE))
            previous = previous_revision(deployment)
            if previous is not None and previous.version_id:
                wishes.append(Wish(previous.version_id, Reason.PREVIOUS))
    rolling = Rollout.objects.filter(
        deployment__base_model=base_model,
        state__in=ADVANCING_ROLLOUT_STATES,
        to_revision__version__isnull=False,
    )
    for version_pk in rolling.order_by("pk").values_list("to_revision__version_id", flat=True):
        wishes.append(Wish(version_pk, Reason.CANARY))
    return wishes


def _evaluation_wishes(base_model: BaseModel) -> list[Wish]:
    runs = EvaluationRun.objects.filter(
        base_model=base_model, state__in=[RunState.WAITING, RunState.RUNNING]
    )
    return [
        Wish(version_pk, Reason.EVALUATION)
        for version_pk in runs.order_by("pk").values_list("version_id", flat=True)
    ]


def _permitted(wishes: Iterable[Wish], purpose: Purpose) -> list[Wish]:
    rows = open_permissions(purpose).values_list("version_id", "digest")
    stopped = stopped_digests()
    permitted = {version_pk for version_pk, digest in rows if digest not in stopped}
    return [wish for wish in wishes if wish.version_pk in permitted]


def _ranks(version_pks: Iterable[int]) -> dict[int, int]:
    rows = Version.objects.filter(pk__in=list(version_pks)).values_list("pk", "peft_facts")
    return {pk: _rank(facts) for pk, facts in rows}


def _rank(facts: object) -> int:
    value = facts.get("max_rank") if isinstance(facts, dict) else None
    return value if isinstance(value, int) else 0
