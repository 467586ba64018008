"""Registrations: names under which a client of the SageMaker contract had a version loaded."""

from dataclasses import dataclass
from enum import StrEnum

from serving.domain.registrations import RegistrationName
from serving.errors import RegistrationNotFound
from serving.models import Deployment, Rollout
from serving.states import ADVANCING_ROLLOUT_STATES, OPEN_ROLLOUT_STATES, Opening


class RegistrationState(StrEnum):
    """How far a registration has come."""

    LOADING = "loading"
    LOADED = "loaded"
    FAILED = "failed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationFacts:
    """A registration as a client is told of it; ``reason``: why it is not loaded.

    ``digest`` is that of the version that answers, or is to answer; empty when it has ended.
    """

    name: str
    state: RegistrationState
    version: str
    digest: str
    rollout_uuid: str
    reason: str

    def as_json(self) -> dict[str, str]:
        """What a response shape is applied to."""
        return {
            "id": self.name,
            "name": self.name,
            "state": str(self.state),
            "version": self.version,
            "digest": self.digest,
            "rollout": self.rollout_uuid,
            "detail": self.reason,
        }


def registration_by_name(name: str) -> Deployment:
    """The registration of this name that has not ended.

    Raises:
        RegistrationNotFound: there is none.
    """
    found = Deployment.objects.filter(
        public_name=RegistrationName.parse(name).public_name,
        opened_as=Opening.REGISTRATION,
        is_enabled=True,
    ).first()
    if found is None:
        raise RegistrationNotFound(
            "No adapter of this name is registered.", fix="POST /adapters registers one."
        )
    return found


def open_rollout_of(deployment: Deployment) -> Rollout | None:
    """The rollout that is under way."""
    rows = Rollout.objects.filter(deployment=deployment, state__in=OPEN_ROLLOUT_STATES)
    return rows.select_related("to_revision__version__adapter").first()


def facts_of(registration: Deployment) -> RegistrationFacts:
    """How the registration is now."""
    # In one statement: a rollout that ends between two would have ended with nothing loaded.
    rollouts = Rollout.objects.filter(deployment=registration.pk).select_related(
        "to_revision__version__adapter", "deployment__stable_revision__version__adapter"
    )
    last = rollouts.first()
    row = Deployment.objects.get(pk=registration.pk) if last is None else last.deployment
    stable = row.stable_revision
    revision = stable or (None if last is None else last.to_revision)
    state, reason = RegistrationState.LOADED, ""
    if not row.is_enabled:
        state, reason = RegistrationState.ENDED, "" if last is None else last.reason
    elif stable is None and last is not None and last.state in ADVANCING_ROLLOUT_STATES:
        state, reason = RegistrationState.LOADING, last.paused_reason
    elif stable is None:
        state, reason = RegistrationState.FAILED, "" if last is None else last.reason
    if state is RegistrationState.ENDED and last is not None and last.trigger:
        state = RegistrationState.FAILED
    version = revision.version if revision is not None else None
    return RegistrationFacts(
        name=row.public_name,
        state=state,
        version="" if version is None else version.runtime_name,
        digest="" if revision is None else revision.digest,
        rollout_uuid="" if last is None else str(last.uuid),
        reason=reason,
    )
