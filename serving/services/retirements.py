"""Whether an adapter may be given up: not while a rollout gives requests to one of its versions."""

from django.db.models import Q

from config.core.errors import Conflict
from serving.models import Rollout
from serving.states import OPEN_ROLLOUT_STATES


class AdapterRolledOut(Conflict):
    """A version of the adapter is being rolled out."""

    code = "adapter-rolled-out"
    title = "The adapter is being rolled out"


def refuse_in_use(*, adapter_id: int) -> None:
    """Refuse while a version of the adapter is on either side of an open rollout.

    Raises:
        AdapterRolledOut: naming the deployment.
    """
    sides = Q(to_revision__version__adapter=adapter_id) | Q(
        from_revision__version__adapter=adapter_id
    )
    rollout = Rollout.objects.filter(sides, state__in=OPEN_ROLLOUT_STATES).first()
    if rollout is not None:
        raise AdapterRolledOut(
            f"A version of it is being rolled out on {rollout.deployment.public_name}.",
            fix="Abort the rollout, or wait for its end, and try again.",
        )
