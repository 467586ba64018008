"""Loads versions under names that clients choose, and ends that again: a rollout like any other.

A registration is a deployment opened by a program. Its version goes the way of every first
version (approval, load, proof, evaluation) before it answers, and it never moves the adapter's
``live``: what a program has loaded says nothing of what the house stands for.
"""

from contextlib import suppress
from typing import Any

from django.db import transaction

from compliance.services import approvals, audit, epochs
from config.accounts.models import User
from config.accounts.roles import Act
from config.core.actors import SYSTEM, Actor
from config.core.errors import Conflict, DomainError
from registry.models import Version
from serving.domain.registrations import RegistrationName
from serving.errors import DeploymentExists, RankTooLarge, RegistrationTaken
from serving.models import Deployment, Rollout
from serving.selectors.registrations import open_rollout_of, registration_by_name
from serving.selectors.wanted import nodes_for
from serving.services import deployments, nudges, rights, rollouts
from serving.states import ADVANCING_ROLLOUT_STATES, Opening, RolloutState

_UNLOADED = "The registration was ended by a client."


def register(*, name: str, version: Version, user: User, actor: Actor) -> Deployment:
    """Have ``version`` answer under ``name``; the same again changes nothing.

    It is on its way when this returns; ``serving.selectors.registrations.facts_of`` tells how far.

    Raises:
        Forbidden: no role of the account may deploy.
        RegistrationInvalid: the name.
        NotPermitted: the version is not approved, or stopped.
        RankTooLarge: no node takes an adapter of this rank.
        RegistrationTaken: the name stands for another version, or for a deployment.
        RolloutOpen, NoSlotForRollout, RestoreHeld: it can't be loaded now.
    """
    rights.require(user=user, act=Act.DEPLOY)
    parsed = RegistrationName.parse(name)
    try:
        approvals.require(version=version)
        _require_rank_fits(version)
    except DomainError as error:
        audit.record_refusal(
            action="registration.refused",
            actor=actor,
            object_type="version",
            object_id=str(version.uuid),
            reason=f"{error.code}: {error.message}"[:1000],
        )
        raise
    row, is_new = _open(parsed, version, user, actor)
    if not is_new:
        return row
    try:
        rollout = rollouts.start(
            deployment=row,
            version=version,
            user=user,
            actor=actor,
            reason="Registered by a client.",
        )
    except DomainError:
        if (begun := _begun_by_another(parsed, version, actor)) is not None:
            return begun
        _close(row, actor=actor, reason="It could not be loaded.")
        raise
    row.refresh_from_db(fields=["is_enabled"])
    if not row.is_enabled:  # ended before there was a rollout that could be
        _abort(rollout, user=user, actor=actor)
    return row


def unregister(*, name: str, user: User, actor: Actor) -> None:
    """End a registration: its route now, its load a moment later. The registry's data stays.

    Raises:
        Forbidden: no role of the account may deploy.
        RegistrationNotFound: no adapter of this name is registered.
    """
    rights.require(user=user, act=Act.DEPLOY)
    row = registration_by_name(name)
    _close(row, actor=actor, reason=_UNLOADED)
    under_way = open_rollout_of(row)
    if under_way is not None and under_way.state in ADVANCING_ROLLOUT_STATES:
        _abort(under_way, user=user, actor=actor)


def follow(*, rollout_id: int) -> None:
    """End a registration whose version could not be loaded, in the caller's transaction."""
    rollout = Rollout.objects.select_related("deployment").get(pk=rollout_id)
    row = rollout.deployment
    is_over = rollout.state in {RolloutState.ROLLING_BACK, RolloutState.ABORTING}
    if row.opened_as == Opening.REGISTRATION and is_over and row.stable_revision_id is None:
        _close(row, actor=SYSTEM, reason=rollout.reason)


def _open(
    name: RegistrationName, version: Version, user: User, actor: Actor
) -> tuple[Deployment, bool]:
    """The deployment behind the name, and whether the version has yet to be brought there."""
    with transaction.atomic():
        row = _locked(name)
        if row is not None:
            return _reopen(row, version, actor)
    try:
        made = deployments.create(
            public_name=name.public_name,
            adapter=version.adapter,
            base_model=version.adapter.base_model,
            title=name.given,
            opened_as=Opening.REGISTRATION,
            user=user,
            actor=actor,
        )
    except DeploymentExists:
        # Somebody was faster; what stands there now decides.
        with transaction.atomic():
            row = _locked(name)
            if row is None:
                raise
            return _reopen(row, version, actor)
    return made, True


def _begun_by_another(name: RegistrationName, version: Version, actor: Actor) -> Deployment | None:
    """The registration that somebody else began meanwhile under this name.

    Raises:
        RegistrationTaken: it is of another version.
    """
    with transaction.atomic():
        row = _locked(name)
        if row is None or not row.is_enabled or not _current(row):
            return None
        return _reopen(row, version, actor)[0]


def _abort(rollout: Rollout, *, user: User, actor: Actor) -> None:
    with suppress(Conflict):  # it ended, or began to end, at the same moment
        rollouts.abort(rollout=rollout, reason=_UNLOADED, user=user, actor=actor)


def _reopen(row: Deployment, version: Version, actor: Actor) -> tuple[Deployment, bool]:
    if row.opened_as != Opening.REGISTRATION:
        raise RegistrationTaken(
            f"{row.public_name} is a deployment of the house, not a registration.",
            fix="Choose another name; versions reach that one by a rollout.",
        )
    if row.is_enabled:
        current = _current(row)
        if current == version.digest:
            return row, False
        if current:
            raise RegistrationTaken(
                f"{row.public_name} is registered with the digest {current[:12]}.",
                fix=f"DELETE /adapters/{row.public_name} first, or choose another name.",
            )
    adapter = version.adapter
    diff: dict[str, list[Any]] = {"is_enabled": [row.is_enabled, True]}
    if row.adapter_id != adapter.pk:
        diff["adapter"] = [row.adapter.ref if row.adapter else None, adapter.ref]
    row.adapter, row.base_model = adapter, adapter.base_model
    row.is_enabled, row.stable_revision = True, None
    row.save(update_fields=["adapter", "base_model", "is_enabled", "stable_revision"])
    _record(row, "registration.opened", actor, diff=diff)
    return row, True


def _close(row: Deployment, *, actor: Actor, reason: str) -> None:
    with transaction.atomic():
        locked = Deployment.objects.select_for_update(no_key=True).get(pk=row.pk)
        if not locked.is_enabled:
            return
        locked.is_enabled, locked.stable_revision, locked.stable_since = False, None, None
        locked.save(update_fields=["is_enabled", "stable_revision", "stable_since"])
        _record(
            locked, "registration.ended", actor, diff={"is_enabled": [True, False]}, reason=reason
        )
        nudges.reconcile_on_commit()


def _record(
    row: Deployment, action: str, actor: Actor, *, diff: dict[str, list[Any]], reason: str = ""
) -> None:
    audit.record(
        action=action,
        actor=actor,
        object_type="deployment",
        object_id=str(row.uuid),
        object_rev=row.public_name,
        diff=diff,
        reason=reason[:1000],
    )
    epochs.bump_routing()


def _locked(name: RegistrationName) -> Deployment | None:
    rows = Deployment.objects.select_for_update(of=("self",), no_key=True)
    return (
        rows.select_related("adapter", "stable_revision")
        .filter(public_name=name.public_name)
        .first()
    )


def _current(row: Deployment) -> str:
    """The digest that answers, or is on its way; empty for none."""
    if row.stable_revision is not None:
        return row.stable_revision.digest
    under_way = open_rollout_of(row)
    if under_way is None or under_way.state not in ADVANCING_ROLLOUT_STATES:
        return ""
    return under_way.to_revision.digest


def _require_rank_fits(version: Version) -> None:
    usable, fitting = nodes_for(version.adapter.base_model, version)
    if not usable or fitting:
        return
    rank = int(version.peft_facts.get("max_rank") or 0)
    most = max(int(node.status.get("max_rank") or 0) for node in usable)
    raise RankTooLarge(
        f"LoRA rank {rank} is greater than max_lora_rank {most} of every node.",
        fix="Start a node with a larger --max-rank.",
    )
