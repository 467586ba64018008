"""Moves replicas: wanted, claimed, proven, failed, drained, unloaded."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from compliance.selectors.stops import is_stopped
from compliance.services import audit, epochs
from config.core import clock
from config.core.actors import SYSTEM, Actor
from config.core.events import publish
from config.core.failpoints import failpoint
from config.core.states import move
from registry.models import Version
from serving.errors import ClaimLost, ProofRefused
from serving.events import ReplicaMoved
from serving.models import Node, Replica
from serving.selectors.leases import lease_for_work
from serving.selectors.nodes import listed_on
from serving.services import placements, probes
from serving.states import REPLICA_MOVES, ReplicaState

MAX_LOST_CLAIMS = 3
_NEEDS_PROOF = (ReplicaState.READY, ReplicaState.LOADING, ReplicaState.FAILED)


def want(*, node: Node, version_pk: int, digest: str) -> Replica:
    """Ask that a version be on a node; asking again, or fifty at once, changes nothing."""
    with transaction.atomic():
        adapter_id = Version.objects.values_list("adapter_id", flat=True).get(pk=version_pk)
        placements.hold(node_id=node.pk, adapter_id=adapter_id)
        replica, is_new = Replica.objects.get_or_create(
            node=node, version_id=version_pk, defaults={"digest": digest}
        )
        replica = _locked(replica)
        if not is_new and replica.state in {ReplicaState.UNLOADED, ReplicaState.FAILED}:
            if replica.state == ReplicaState.UNLOADED:
                Replica.objects.filter(pk=replica.pk).update(failures_count=0)
            _move(replica, ReplicaState.WANTED, error=replica.error, nudged_at=None)
        Replica.objects.filter(pk=replica.pk).update(unwanted_at=None)
    return replica


def claim(*, replica: Replica, boot_id: str) -> int:
    """Give the load of a replica to one agent; the claim's number.

    A claim whose agent died is taken over after a while, or at once where the node has booted
    anew.

    Raises:
        ClaimLost: it is not to be loaded, or another claim is at work.
        ProofRefused: nothing permits this digest.
    """
    if is_stopped(replica.digest) or lease_for_work(replica.version) is None:
        raise ProofRefused(
            f"{replica.version.runtime_name} has no permission.", fix="Drop this work."
        )
    with transaction.atomic():
        placements.hold(node_id=replica.node_id, adapter_id=replica.version.adapter_id)
        row = _locked(replica)
        if row.state == ReplicaState.LOADING and _is_stale(row, boot_id):
            _lose_claim(row)
        if row.state == ReplicaState.WANTED:
            _move(
                row,
                ReplicaState.LOADING,
                attempts=row.attempts + 1,
                proven_boot_id=boot_id[:40],
                proven_at=None,
                claimed_at=clock.now(),
            )
            return row.attempts
    # Outside, so that a claim that was lost above stays lost.
    raise ClaimLost(f"The replica is {row.state}.", fix="Drop this work.")


def renew_claim(*, replica: Replica, attempt: int) -> None:
    """Say that the agent of a claim is still at work.

    Raises:
        ClaimLost: the claim is over.
    """
    changed = Replica.objects.filter(
        pk=replica.pk, state=ReplicaState.LOADING, attempts=attempt
    ).update(changed_at=clock.now())
    if not changed:
        raise ClaimLost(f"Claim {attempt} is over.", fix="Drop this work.")


def acknowledge_ready(
    *,
    replica: Replica,
    attempt: int,
    boot_id: str,
    digest: str,
    probe: object,
    base_probe: object = None,
    actor: Actor,
) -> Replica:
    """Take an agent's proof: from now on the version is routable on that node.

    Raises:
        ClaimLost: the claim is over.
        ProofRefused: another digest, another boot, or answers of other weights; the replica is
            failed then.
    """
    try:
        with transaction.atomic():
            row = _claimed(replica, attempt)
            if digest != row.digest:
                raise ProofRefused(
                    f"The node holds {digest[:12]}, {row.digest[:12]} was asked for.",
                    fix="Load the right bytes.",
                )
            if boot_id != row.proven_boot_id:
                raise ProofRefused(
                    "The node has booted anew since the claim.", fix="Claim the work again."
                )
            probes.check_and_record(
                node=row.node,
                version=row.version,
                probe=probe,
                base_probe=base_probe,
            )
            _move(
                row,
                ReplicaState.READY,
                proven_boot_id=boot_id,
                proven_at=clock.now(),
                failures_count=0,
                error="",
            )
            _audit(
                row,
                "replica.ready",
                actor,
                before=ReplicaState.LOADING,
                diff={"load_ms": [None, _load_ms(row)]},
            )
            epochs.bump_routing()
            failpoint("replica.ready.recorded")
    except ProofRefused as error:
        acknowledge_failed(replica=replica, attempt=attempt, error=error.message, actor=actor)
        raise
    failpoint("replica.ready.committed")
    return row


def acknowledge_failed(*, replica: Replica, attempt: int, error: str, actor: Actor) -> Replica:
    """Note why a load failed; it is tried again after a growing pause.

    Raises:
        ClaimLost: the claim is over.
    """
    with transaction.atomic():
        row = _claimed(replica, attempt)
        _move(
            row,
            ReplicaState.FAILED,
            error=error[:500],
            failures_count=row.failures_count + 1,
            proven_boot_id="",
        )
        _audit(row, "replica.failed", actor, before=ReplicaState.LOADING, reason=error[:500])
    return row


def acknowledge_unloaded(*, replica: Replica, actor: Actor) -> Replica:
    """Note that the node has dropped the version; saying it twice is once."""
    with transaction.atomic():
        row = _locked(replica)
        if row.state == ReplicaState.UNLOADED:
            return row
        if row.state != ReplicaState.UNLOADING:
            raise ClaimLost(f"The replica is {row.state}.", fix="Drop this work.")
        _move(row, ReplicaState.UNLOADED, unwanted_at=None, proven_boot_id="", error="")
        _audit(row, "replica.unloaded", actor, before=ReplicaState.UNLOADING)
    return row


def drain(*, replica: Replica) -> None:
    """Note since when nothing wishes for a replica; it is unloaded when no gateway routes to it."""
    Replica.objects.filter(pk=replica.pk, unwanted_at__isnull=True).update(unwanted_at=clock.now())


def keep(*, replica: Replica) -> None:
    """It is wished for again before it was unloaded."""
    Replica.objects.filter(pk=replica.pk).update(unwanted_at=None)


def unload(*, replica: Replica, actor: Actor = SYSTEM, reason: str = "") -> None:
    """Take a replica out of use; its route, if it had one, ends with this."""
    with transaction.atomic():
        row = _locked(replica)
        if row.state in {ReplicaState.UNLOADING, ReplicaState.UNLOADED}:
            return
        before = row.state
        _move(row, ReplicaState.UNLOADING, proven_boot_id="", nudged_at=None)
        _audit(row, "replica.unloading", actor, before=ReplicaState(before), reason=reason)
        epochs.bump_routing()


def reclaim(*, replica: Replica) -> None:
    """Have a replica proven again: its claim is stale, or its proof is of another boot."""
    with transaction.atomic():
        row = _locked(replica)
        if row.state == ReplicaState.LOADING:
            if _is_silent(row):
                _lose_claim(row)
        elif row.state in _NEEDS_PROOF:
            _move(row, ReplicaState.WANTED, proven_boot_id="", nudged_at=None)
            epochs.bump_routing()


def expect_new_proof(*, node: Node) -> int:
    """The node has a new boot id: everything on it must be proven again; how many."""
    count = 0
    rows = Replica.objects.select_for_update(no_key=True).filter(node=node, state__in=_NEEDS_PROOF)
    for row in rows:
        if row.proven_boot_id != node.boot_id or not node.boot_id:
            if row.state == ReplicaState.LOADING:
                _lose_claim(row)
            else:
                _move(row, ReplicaState.WANTED, proven_boot_id="", nudged_at=None)
            count += 1
    return count


def expect_listed(*, node: Node, asked_at: datetime) -> int:
    """What counts as ready and is not on the node's list must be proven again; how many."""
    listed = {
        (name, str(entry.get("digest")))
        for name, entry in listed_on(node).items()
        if entry.get("state") == "loaded"
    }
    count = 0
    rows = Replica.objects.select_related("version__adapter").filter(
        node=node, state=ReplicaState.READY, proven_at__lt=asked_at
    )
    for row in rows:
        if (row.version.runtime_name, row.digest) not in listed:
            reclaim(replica=row)
            count += 1
    return count


def _locked(replica: Replica) -> Replica:
    return (
        Replica.objects.select_for_update(of=("self",), no_key=True)
        .select_related("node", "version__adapter__base_model")
        .get(pk=replica.pk)
    )


def _claimed(replica: Replica, attempt: int) -> Replica:
    row = _locked(replica)
    if row.state != ReplicaState.LOADING or row.attempts != attempt:
        raise ClaimLost(
            f"Claim {attempt} is over: the replica is {row.state}, claim {row.attempts}.",
            fix="Drop this work.",
        )
    return row


def _is_stale(row: Replica, boot_id: str) -> bool:
    return _is_silent(row) or row.proven_boot_id != boot_id[:40]


def _is_silent(row: Replica) -> bool:
    age = clock.now() - row.changed_at
    return age >= timedelta(seconds=settings.WORK_TAKE_OVER_SECONDS)


def _lose_claim(row: Replica) -> None:
    """The agent or the node of a claim ended in the middle: that counts like a failed load.

    After ``MAX_LOST_CLAIMS`` in a row it waits as failed, with growing pauses.
    """
    why = f"The agent or the node of claim {row.attempts} ended while it loaded."
    failures_count = row.failures_count + 1
    is_last = failures_count >= MAX_LOST_CLAIMS
    _move(
        row,
        ReplicaState.FAILED if is_last else ReplicaState.WANTED,
        proven_boot_id="",
        nudged_at=None,
        error=why,
        failures_count=failures_count,
    )
    _audit(
        row,
        "replica.failed" if is_last else "replica.claim_lost",
        SYSTEM,
        before=ReplicaState.LOADING,
        reason=why,
    )
    epochs.bump_routing()


def _move(row: Replica, to: ReplicaState, **values: Any) -> None:
    move(row, table=REPLICA_MOVES, to=to, changed_at=clock.now(), **values)
    publish(
        ReplicaMoved(
            actor=SYSTEM,
            object_type="replica",
            object_id=str(row.uuid),
            object_rev=row.digest,
            replica_id=row.pk,
        )
    )


def _load_ms(row: Replica) -> int | None:
    """From the claim to the proof: fetching, loading and proving; None where no claim is known."""
    if row.claimed_at is None or row.proven_at is None:
        return None
    return round((row.proven_at - row.claimed_at).total_seconds() * 1000)


def _audit(
    row: Replica,
    action: str,
    actor: Actor,
    *,
    before: ReplicaState,
    reason: str = "",
    diff: Mapping[str, list[Any]] | None = None,
) -> None:
    audit.record(
        action=action,
        actor=actor,
        object_type="replica",
        object_id=str(row.uuid),
        object_rev=row.digest,
        diff={
            "state": [str(before), str(row.state)],
            "node": [None, row.node.name],
            "version": [None, row.version.runtime_name],
            **(diff or {}),
        },
        reason=reason,
    )
