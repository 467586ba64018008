"""Reads of deployments, their revisions and what is wrong with what they serve."""

from contextlib import suppress
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from compliance.selectors.permissions import open_serve_permission
from compliance.selectors.stops import is_stopped
from registry.models import Adapter, BaseModel
from serving.domain.policy import DeploymentPolicy
from serving.errors import DeploymentNotFound
from serving.models import Deployment, Node, Replica, Revision, Rollout
from serving.selectors.nodes import is_usable, slots_of
from serving.states import OPEN_ROLLOUT_STATES, ReplicaState


def deployments() -> QuerySet[Deployment]:
    """All deployments with what a list shows: stable version, open rollout, base."""
    rolling = Rollout.objects.filter(state__in=OPEN_ROLLOUT_STATES).select_related(
        "to_revision__version__adapter"
    )
    return (
        Deployment.objects.select_related(
            "adapter", "base_model", "stable_revision__version__adapter"
        )
        .prefetch_related(Prefetch("rollouts", queryset=rolling, to_attr="open_rollouts"))
        .order_by("-pk")
    )


def deployment_by_name(name: str) -> Deployment:
    """The deployment with this public name or uuid.

    Raises:
        DeploymentNotFound: there is none; the message names those that there are.
    """
    rows = deployments()
    found = rows.filter(public_name=name).first()
    if found is None:
        with suppress(ValueError):  # it is no uuid, so it was a name
            found = rows.filter(uuid=UUID(name)).first()
    if found is None:
        known = ", ".join(
            Deployment.objects.order_by("public_name").values_list("public_name", flat=True)[:20]
        )
        raise DeploymentNotFound(
            f"There is no deployment {name[:100]!r}.",
            fix=f"There are: {known}." if known else "Create one: POST /api/v1/deployments.",
        )
    return found


def deployments_of(adapter: Adapter) -> QuerySet[Deployment]:
    """Those that serve a version of an adapter, or are being moved to one."""
    rolling = Q(
        rollouts__state__in=OPEN_ROLLOUT_STATES, rollouts__to_revision__version__adapter=adapter
    )
    stable = Q(stable_revision__version__adapter=adapter)
    return Deployment.objects.filter(rolling | stable, is_enabled=True).distinct().order_by("pk")


def policy_of(deployment: Deployment) -> DeploymentPolicy:
    """The deployment's policy, typed."""
    return DeploymentPolicy.from_json(deployment.policy)


def may_promote_undecided(deployment: Deployment) -> bool:
    """Whether a person may promote what the analysis could not decide: by policy, else class."""
    said = policy_of(deployment).promote_undecided
    if said is not None:
        return said
    return deployment.adapter is None or deployment.adapter.safety_class == "A"


def revision_name(deployment: Deployment, revision: Revision | None) -> str:
    """``slug@<12 hex>`` of a revision, of the base where it has no version; empty for none."""
    if revision is None:
        return ""
    if revision.version is None:
        base = deployment.base_model
        return f"{base.slug}@{base.digest[:12]}"
    return revision.version.runtime_name


def fault_of(revision: Revision) -> str:
    """Why a revision may not be served now: stopped or no permission; empty when it may."""
    if is_stopped(revision.digest):
        return "its digest is stopped everywhere"
    if revision.version is not None and open_serve_permission(revision.version) is None:
        return "its permission has ended"
    return ""


def proven_on(revision: Revision) -> list[Node]:
    """The usable nodes that have proven a revision under their present boot id."""
    if revision.version_id is None:
        base_model = revision.deployment.base_model
        return [node for node in Node.objects.filter(base_model=base_model) if is_usable(node)]
    return [row.node for row in proven_replicas(revision.version_id)]


def proven_replicas(version_pk: int) -> list[Replica]:
    """The replicas of a version that usable nodes have proven under their present boot id."""
    rows = Replica.objects.filter(version_id=version_pk, state=ReplicaState.READY)
    return [
        row
        for row in rows.select_related("node")
        if is_usable(row.node) and row.proven_boot_id == row.node.boot_id
    ]


def answering_on(revision: Revision) -> list[Node]:
    """Those of ``proven_on`` that said that they hold the lease to serve it.

    A lease is on its way for a second; an answer asked for meanwhile would be refused, and would
    count against a canary that did nothing wrong.
    """
    return [
        node
        for node in proven_on(revision)
        if revision.version_id is None or revision.digest in node.status.get("may_serve", ())
    ]


def live_slots_left(base_model: BaseModel) -> int | None:
    """How many more live versions the nodes of a base take, one slot kept free; None: no node.

    The smallest usable node decides, because every live version is on each of them.
    """
    nodes = [node for node in Node.objects.filter(base_model=base_model) if is_usable(node)]
    if not nodes:
        return None
    live = (
        Deployment.objects.filter(
            base_model=base_model, is_enabled=True, stable_revision__version__isnull=False
        )
        .values("stable_revision__version")
        .distinct()
        .count()
    )
    return min(slots_of(node) for node in nodes) - 1 - live
