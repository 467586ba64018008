"""Writes a new rollout with its revision and its steps."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction
from django.db.models import Max

from compliance.services import audit, epochs
from config.accounts.models import User
from config.core.actors import Actor
from config.core.errors import Conflict, DomainError
from registry.models import Version
from serving.domain.policy import report_limit
from serving.domain.steps import Situation
from serving.errors import RolloutOpen
from serving.models import Deployment, Revision, Rollout, RolloutStep
from serving.selectors.deployments import policy_of, revision_name
from serving.selectors.evidence import recent_rates
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
    action: str = "rollout.started",
) -> Rollout:
    """Write a rollout with its revision and its steps; the caller has checked what may be.

    ``deployment`` is as the caller saw it: where its stable version has changed since, what was
    checked no longer holds.

    Raises:
        Conflict: the stable version has changed meanwhile.
        RolloutOpen: the database has one that is not finished.
    """
    try:
        with transaction.atomic():
            row = Deployment.objects.select_for_update(no_key=True).get(pk=deployment.pk)
            if row.stable_revision_id != deployment.stable_revision_id:
                raise Conflict(
                    f"What {row.public_name} serves has been changed by somebody else.",
                    fix="Look at it again and repeat what you still want.",
                )
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
            policy = policy_of(row)
            _, _, report_rate = recent_rates(row)
            situation = Situation(
                stages=policy.stages,
                has_stable=row.stable_revision_id is not None,
                report_limit=report_limit(policy, stable_rate=report_rate),
            )
            RolloutStep.objects.bulk_create(
                RolloutStep(rollout=rollout, index=index, kind=step.kind, params=dict(step.params))
                for index, step in enumerate(STRATEGIES[strategy].steps(situation))
            )
            record(
                rollout,
                action,
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
        raise RolloutOpen(
            f"{deployment.public_name} has a rollout under way; there is one at a time.",
            fix="Wait for its end, or abort it first.",
        ) from error
    return rollout


@contextmanager
def refusals_recorded(action: str, of: Deployment | Rollout, actor: Actor) -> Iterator[None]:
    """Write down that an act was refused, outside of the transaction that it would have been in."""
    try:
        yield
    except DomainError as error:
        audit.record_refusal(
            action=action,
            actor=actor,
            object_type="rollout" if isinstance(of, Rollout) else "deployment",
            object_id=str(of.uuid),
            reason=f"{error.code}: {error.message}"[:1000],
        )
        raise
