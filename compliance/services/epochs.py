"""The two counters that gateways and the control process poll each second."""

from django.db import transaction
from django.db.models import F

from compliance.models import Epoch
from config.core import clock

NAME = "epoch"
# A node that claims to have counted further than this above us is wrong, or lies.
MOST_AHEAD = 1_000_000


def bump_routing() -> None:
    """Say that what may be routed, or where, has changed. Call it last in a transaction."""
    _bump("routing")


def bump_stops() -> int:
    """Say that the set of stopped digests has changed, and routing with it; the new count."""
    _bump("routing", "stops")
    return Epoch.objects.values_list("stops", flat=True).get(name=NAME)


def lift_stops(*, above: int) -> bool:
    """Count on above a number that somebody has seen already; whether that was needed.

    A restored database counts less than nodes and the list outside it have seen, and a node
    refuses a set of stops that is older than its own.
    """
    with transaction.atomic():
        row, _ = Epoch.objects.select_for_update(no_key=True).get_or_create(name=NAME)
        if not row.stops < above <= row.stops + MOST_AHEAD:
            return False
        Epoch.objects.filter(pk=row.pk).update(
            stops=above + 1, routing=F("routing") + 1, changed_at=clock.now()
        )
    return True


def _bump(*names: str) -> None:
    values = {name: F(name) + 1 for name in names}
    if not Epoch.objects.filter(name=NAME).update(changed_at=clock.now(), **values):
        Epoch.objects.get_or_create(name=NAME)
        Epoch.objects.filter(name=NAME).update(changed_at=clock.now(), **values)
