"""Writes a new rollout with its revision and its steps."""

from django.db import IntegrityError, transaction
from django.db.models import Max

from compliance.services import audit, epochs
from config.accounts.models import User
from config.core.actors import Actor
from config.core.errors import DomainError
from registry.models import Version
from serving.domain.steps import Situation
from serving.errors import RolloutOpen
from serving.models import Deployment, Revision, Rollout, RolloutStep
from serving.selectors.deployments import policy_of, revision_name
from serving.services import nudges
from serving.services.rollout_records import record
from serving.strategies import STRATEGIES


def open_rollout(
    *,
    deployment: Deployment,
    version: Version | None,
    user: User,
    actor: Actor,
    strategy: str,
    reason: str = "",
    trigger: str = "",
) -> Rollout:
    """Write a rollout with its revision and its steps; the caller has checked what may be.

    Raises:
        RolloutOpen: the database has one that is not finished.
    """
    try:
        with transaction.atomic():
            row = Deployment.objects.select_for_update(no_key=True).get(pk=deployment.pk)
            number = (row.revisions.aggregate(last=Max("number"))["last"] or 0) + 1
            revision = Revision.objects.create(
                deployment=row,
                number=number,
                version=version,
                digest=version.digest if version else row.base_model.digest,
                created_by=user,
            )
            rollout = Rollout.objects.create(
                deployment=row,
                from_revision=row.stable_revision,
                to_revision=revision,
                strategy=strategy,
                started_by=user,
                reason=reason[:1000],
                trigger=trigger,
            )
            situation = Situation(
                stages=policy_of(row).stages, has_stable=row.stable_revision_id is not None
            )
            RolloutStep.objects.bulk_create(
                RolloutStep(rollout=rollout, index=index, kind=step.kind, params=dict(step.params))
                for index, step in enumerate(STRATEGIES[strategy].steps(situation))
            )
            record(
                rollout,
                "rollout.started",
                actor,
                diff={
                    "deployment": [None, row.public_name],
                    "from": [None, revision_name(row, row.stable_revision)],
                    "to": [None, revision_name(row, revision)],
                    "revision": [None, number],
                    "strategy": [None, strategy],
                },
                reason=reason,
            )
            epochs.bump_routing()
            nudges.advance_on_commit(rollout.pk)
            nudges.reconcile_on_commit()
    except IntegrityError as error:
        found = RolloutOpen(
            f"{deployment.public_name} has a rollout under way; there is one at a time.",
            fix="Wait for its end, or abort it first.",
        )
        refused(deployment, actor, found)
        raise found from error
    return rollout


def refused(deployment: Deployment, actor: Actor, error: DomainError) -> None:
    """Write down that a rollout was refused; it survives the caller's rollback."""
    audit.record_refusal(
        action="rollout.refused",
        actor=actor,
        object_type="deployment",
        object_id=str(deployment.uuid),
        reason=error.message,
    )
