"""Takes replicas off their nodes because a person says so: at once, or to have them loaded anew."""

from django.db import transaction

from compliance.services import audit
from config.accounts.models import User
from config.accounts.roles import Act
from config.core.actors import Actor
from config.core.errors import DomainError, Invalid
from registry.models import Adapter
from serving.errors import AdapterServed, LastReplica
from serving.models import Replica
from serving.selectors.deployments import deployments_of, proven_replicas
from serving.services import nudges, registrations, replicas, rights
from serving.states import Opening, ReplicaState


def end_registrations(*, adapter: Adapter, user: User, actor: Actor) -> list[str]:
    """End every name under which programs had versions of an adapter loaded; the names.

    Raises:
        Forbidden: no role of the account may deploy.
        AdapterServed: a deployment of the house serves it, or is about to.
    """
    rights.require(user=user, act=Act.DEPLOY)
    serving = list(deployments_of(adapter))
    by_house = [row.public_name for row in serving if row.opened_as == Opening.DEPLOYMENT]
    if by_house:
        error = AdapterServed(
            f"{adapter.ref} is served as {', '.join(by_house)}.",
            fix="Roll that back, abort what is under way there, or stop the digest.",
        )
        _refused(adapter, actor, error)
        raise error
    names = [row.public_name for row in serving]
    for name in names:
        registrations.unregister(name=name, user=user, actor=actor)
    return names


def force(*, adapter: Adapter, reason: str, user: User, actor: Actor) -> list[Replica]:
    """Take an adapter off every node at once, stuck replicas too; those that were told to go.

    What programs loaded is ended first. Nothing is drained: an answer that a gateway asks for in
    this second is asked of another replica, or refused.

    Raises:
        Forbidden, AdapterServed: as ``end_registrations``.
        Invalid: there is no reason.
    """
    if not reason.strip():
        raise Invalid("A reason is needed.", fix="Say in a line why.")
    end_registrations(adapter=adapter, user=user, actor=actor)
    told = []
    rows = Replica.objects.filter(version__adapter=adapter).exclude(state=ReplicaState.UNLOADED)
    for row in rows.select_related("node").order_by("pk"):
        replicas.unload(replica=row, actor=actor, reason=reason[:500])
        # Again for one that hangs in unloading: its order may have been lost.
        nudges.unload(str(row.uuid), row.node.queue)
        told.append(row)
    return told


def begin_reload(
    *, replica: Replica, reason: str, user: User, actor: Actor, is_forced: bool = False
) -> None:
    """Have a replica dropped, fetched, loaded and proven anew; it is wished for as before.

    Raises:
        Forbidden: no role of the account may deploy.
        Invalid: there is no reason.
        LastReplica: no other node answers with this version, and it is not forced.
    """
    rights.require(user=user, act=Act.DEPLOY)
    if not reason.strip():
        raise Invalid("A reason is needed.", fix="Say in a line why.")
    with transaction.atomic():
        # Of two at once, each on its own node, the second sees what the first has taken away.
        rows = Replica.objects.select_for_update(no_key=True).filter(version=replica.version_id)
        list(rows.order_by("pk"))
        is_refused = not is_forced and _is_last(replica)
        if not is_refused:
            replicas.unload(replica=replica, actor=actor, reason=reason[:500])
    if is_refused:
        error = LastReplica(
            f"{replica.version.runtime_name} answers on {replica.node.name} alone: "
            "nobody would be answered while it is loaded anew.",
            fix="Start another node, or force it.",
        )
        _refused(replica.version.adapter, actor, error)
        raise error
    nudges.unload(str(replica.uuid), replica.node.queue)


def _is_last(replica: Replica) -> bool:
    """Whether this replica can be asked, and no other of its version can."""
    return [row.pk for row in proven_replicas(replica.version_id)] == [replica.pk]


def _refused(adapter: Adapter, actor: Actor, error: DomainError) -> None:
    audit.record_refusal(
        action="replica.unload_refused",
        actor=actor,
        object_type="adapter",
        object_id=str(adapter.uuid),
        reason=f"{error.code}: {error.message}"[:1000],
    )
