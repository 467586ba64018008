"""Which of its earlier versions a deployment may be brought back to by name."""

from django.db.models import Q

from compliance.selectors.permissions import open_serve_permission
from compliance.selectors.stops import is_stopped
from registry.models import Version
from serving.errors import RollbackInvalid
from serving.models import Deployment, Revision, Rollout
from serving.states import RolloutState


def earlier_revision(deployment: Deployment, version: Version) -> Revision:
    """The newest revision in which this version was in use under the deployment's name.

    Raises:
        RollbackInvalid: it is in use now, never was, or may not be served now.
    """
    name, public_name = version.runtime_name, deployment.public_name
    stable = deployment.stable_revision
    if stable is not None and stable.digest == version.digest:
        raise RollbackInvalid(f"{name} is in use in {public_name} now.", fix="Name another one.")
    promoted = Rollout.objects.filter(deployment=deployment, state=RolloutState.PROMOTED)
    revision = (
        Revision.objects.filter(deployment=deployment, version=version)
        .filter(
            Q(pk__in=promoted.values("to_revision")) | Q(pk__in=promoted.values("from_revision"))
        )
        .select_related("version__adapter")
        .order_by("-number")
        .first()
    )
    if revision is None:
        raise RollbackInvalid(
            f"{name} has never been in use in {public_name}.",
            fix="Roll it out: POST /api/v1/rollouts.",
        )
    if is_stopped(version.digest):
        raise RollbackInvalid(
            f"{name} is stopped everywhere.", fix="Two persons release a stop; or name another one."
        )
    if open_serve_permission(version) is None:
        raise RollbackInvalid(
            f"{name} has no permission any more.", fix="Have it approved again, or name another."
        )
    return revision
