"""Registers nodes, looks at them, and tells them what is allowed and what is stopped."""

import re
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.db import transaction

from compliance.selectors.permissions import epoch
from compliance.selectors.stops import stopped_digests
from compliance.services import audit, epochs
from compliance.states import Purpose
from config.core import clock, keys
from config.core.actors import SYSTEM, Actor
from registry.models import BaseModel
from serving.domain.node_status import StatusInvalid, misfit, read_status
from serving.errors import NodeExists, NodeInvalid, NodeRefused, NodeUnreachable
from serving.models import Node
from serving.selectors.leases import leases_of
from serving.selectors.nodes import calls_to
from serving.services import nudges, replicas

log = structlog.get_logger(__name__)
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
MIN_SECRET_CHARS = 16


def register(
    *, name: str, url: str, secret: str, base_model: BaseModel, engine: str, actor: Actor
) -> Node:
    """Open a node, or take over a new address, secret or engine of one that is there.

    Raises:
        NodeInvalid: name, address or secret are not acceptable.
        NodeExists: the name belongs to a node of another base.
    """
    _check(name, url, secret)
    values = {"url": url.rstrip("/"), "engine": engine}
    with transaction.atomic():
        node = Node.objects.select_for_update(no_key=True).filter(name=name).first()
        if node is None:
            node = Node.objects.create(
                name=name, base_model=base_model, secret_encrypted=keys.encrypt(secret), **values
            )
            diff: dict[str, list[Any]] = {key: [None, val] for key, val in values.items()}
            diff["base_model"] = [None, base_model.slug]
        else:
            if node.base_model_id != base_model.pk:
                raise NodeExists(
                    f"{name} is registered for the base {node.base_model.slug}.",
                    fix="Choose another name, or start the node with its base.",
                )
            diff = {
                key: [getattr(node, key), val]
                for key, val in values.items()
                if getattr(node, key) != val
            }
            if keys.decrypt(bytes(node.secret_encrypted)) != secret:
                diff["secret"] = ["(hidden)", "(another)"]
                values["secret_encrypted"] = keys.encrypt(secret)  # type: ignore[assignment]
            if not diff:
                return node
            for key, val in values.items():
                setattr(node, key, val)
            node.save(update_fields=list(values))
        audit.record(
            action="node.registered",
            actor=actor,
            object_type="node",
            object_id=str(node.uuid),
            object_rev=name,
            diff=diff,
        )
        epochs.bump_routing()
    return node


def set_enabled(*, node: Node, is_enabled: bool, reason: str, actor: Actor) -> Node:
    """Take a node out of use or back into it; a disabled one gets no new answer.

    Raises:
        NodeInvalid: there is no reason.
    """
    if not reason.strip():
        raise NodeInvalid("A reason is needed.", fix="Say in a line why.")
    with transaction.atomic():
        changed = Node.objects.filter(pk=node.pk, is_enabled=not is_enabled).update(
            is_enabled=is_enabled
        )
        if changed:
            audit.record(
                action="node.enabled" if is_enabled else "node.disabled",
                actor=actor,
                object_type="node",
                object_id=str(node.uuid),
                object_rev=node.name,
                diff={"is_enabled": [not is_enabled, is_enabled]},
                reason=reason,
            )
            epochs.bump_routing()
    node.is_enabled = is_enabled
    return node


def observe(*, node: Node) -> bool:
    """Ask a node what it is and holds; whether it answered as one that can be used.

    A new boot id means that everything on it must be proven again. A node that is not what was
    registered keeps no boot id, so that nothing is routed to it.
    """
    asked_at = clock.now()
    try:
        with calls_to(node) as calls:
            status = read_status(calls.status())
    except (NodeUnreachable, NodeRefused, StatusInvalid) as error:
        Node.objects.filter(pk=node.pk).update(last_error=error.message[:500])
        return False
    fault = misfit(status, base_digest=node.base_model.digest, engine=node.engine)
    boot_id = "" if fault else str(status["boot_id"])
    with transaction.atomic():
        row = Node.objects.select_for_update(no_key=True).get(pk=node.pk)
        before = row.boot_id
        Node.objects.filter(pk=node.pk).update(
            boot_id=boot_id,
            status=status,
            last_seen_at=clock.now(),
            stops_epoch_seen=status["stops_epoch"],
            last_error=fault[:500],
        )
        row.boot_id, row.status = boot_id, status
        if before != boot_id:
            has_to_load = _rebooted(row, before=before, fault=fault) > 0
        else:
            has_to_load = replicas.expect_listed(node=row, asked_at=asked_at) > 0
        if has_to_load and not fault:
            nudges.reconcile_on_commit()
    return not fault


def tell(*, node: Node) -> bool:
    """Give a node its leases, and the stops where it has not got the newest set.

    Whether it was given one to serve that it had not said to hold.

    The node counts the leases from the moment of its own clock that it last told us: a call that
    took long makes none of them longer.

    Raises:
        NodeUnreachable, NodeRefused: it did not take them.
    """
    _, stops_epoch = epoch()
    with calls_to(node) as calls:
        row = Node.objects.get(pk=node.pk)
        if epochs.lift_stops(above=row.stops_epoch_seen):
            # The database was restored: the node has seen a later set, and takes no earlier one.
            _, stops_epoch = epoch()
        if row.stops_epoch_seen != stops_epoch:
            calls.put_stops(epoch=stops_epoch, digests=sorted(stopped_digests()))
            Node.objects.filter(pk=node.pk).update(stops_epoch_seen=stops_epoch)
        leases = leases_of(row)
        calls.put_leases(leases, counted_from_seconds=row.status.get("clock_seconds"))
    held = row.status.get("may_serve", ())
    return any(
        lease["purpose"] == Purpose.SERVE and lease["digest"] not in held for lease in leases
    )


def tend(*, node: Node) -> bool:
    """Look at a node, then tell it what is allowed; whether it can be used."""
    is_good = observe(node=node)
    try:
        # Also to one that is not used: it may still hold what is stopped.
        has_more = tell(node=node)
    except (NodeUnreachable, NodeRefused) as error:
        Node.objects.filter(pk=node.pk).update(last_error=error.message[:500])
        return False
    if has_more and is_good:
        # A rollout waits until the node says so itself: it is asked now and not in the next round.
        is_good = observe(node=node)
        nudges.sweep_rollouts_on_commit()
    return is_good


def _rebooted(node: Node, *, before: str, fault: str) -> int:
    """Note another boot, or another process, on a node; how many replicas it has to prove."""
    count = replicas.expect_new_proof(node=node)
    audit.record(
        action="node.misfit" if fault else "node.booted",
        actor=SYSTEM,
        object_type="node",
        object_id=str(node.uuid),
        object_rev=node.name,
        diff={"boot_id": [before, node.boot_id], "replicas_to_prove": [0, count]},
        reason=fault,
    )
    epochs.bump_routing()
    if fault:
        log.warning("node.misfit", node=node.name, error=fault)
    return count


def _check(name: str, url: str, secret: str) -> None:
    if not NAME.fullmatch(name):
        raise NodeInvalid(
            f"{name[:80]!r} is no name for a node.", fix="Use lower-case letters, digits, hyphens."
        )
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
        raise NodeInvalid(f"{url[:200]!r} is no address.", fix="Give http://host:port.")
    if len(secret) < MIN_SECRET_CHARS:
        raise NodeInvalid(
            f"The secret has {len(secret)} characters.",
            fix=f"Use at least {MIN_SECRET_CHARS} random ones.",
        )
