"""Who may answer in the playground, and in which form a text is put to them."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import F

from compliance.models import EvaluationSet
from compliance.selectors.evaluations import set_by_ref
from compliance.selectors.permissions import live_permissions
from compliance.states import Purpose
from registry.models import Version
from serving.domain.routing import Target
from serving.models import Deployment, Replica, Rollout
from serving.states import OPEN_ROLLOUT_STATES, ReplicaState

MAX_CHOICES = 50


@dataclass(frozen=True)
class Candidate:
    """A version that may be asked beside stable; ``weight_percent`` is None without a rollout."""

    version: Version
    weight_percent: int | None = None


def candidates(deployment: Deployment) -> list[Candidate]:
    """Versions of a deployment's adapter, other than stable, that may answer now, newest first.

    Permitted by a live lease, proven by a node under its boot id, and not stopped.
    """
    leased = {lease.version_id for lease in live_permissions(Purpose.SERVE)}
    proven = Replica.objects.filter(
        state=ReplicaState.READY, proven_boot_id=F("node__boot_id"), node__is_enabled=True
    ).values("version_id")
    rows = Version.objects.filter(
        adapter=deployment.adapter_id,
        adapter__base_model=deployment.base_model_id,
        pk__in=leased,
    ).filter(pk__in=proven)
    stable = deployment.stable_revision
    if stable is not None:
        rows = rows.exclude(digest=stable.digest)
    weights: dict[str, int] = dict(
        Rollout.objects.filter(deployment=deployment, state__in=OPEN_ROLLOUT_STATES).values_list(
            "to_revision__digest", "weight_percent"
        )
    )
    found = rows.select_related("adapter").order_by("-number")[:MAX_CHOICES]
    return [Candidate(version, weights.get(version.digest)) for version in found]


def target_of(version: Version) -> Target:
    """The version as nodes are asked for it."""
    return Target(
        version_pk=version.pk,
        name=version.runtime_name,
        digest=version.digest,
        base_model_pk=version.adapter.base_model_id,
    )


def forms() -> list[EvaluationSet]:
    """Sets whose prompt template a text can be put into."""
    return list(EvaluationSet.objects.order_by("name", "version_name")[:MAX_CHOICES])


def messages_of(text: str, *, form: str = "") -> list[Mapping[str, str]]:
    """``text`` as chat messages: as it is, or in the template of the evaluation set ``form``.

    Raises:
        NotFound: there is no such set.
    """
    if not form:
        return [{"role": "user", "content": text}]
    template = set_by_ref(form).prompt_template
    return [
        {
            "role": str(message.get("role", "user")),
            "content": str(message.get("content", "")).replace("{text}", text),
        }
        for message in template
    ]
