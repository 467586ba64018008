"""The two counters that gateways and the control process poll each second."""

from django.db.models import F

from compliance.models import Epoch
from config.core import clock

NAME = "epoch"


def bump_routing() -> None:
    """Say that what may be routed, or where, has changed. Call it last in a transaction."""
    _bump("routing")


def bump_stops() -> None:
    """Say that the set of stopped digests has changed; routing changes with it."""
    _bump("routing", "stops")


def _bump(*names: str) -> None:
    values = {name: F(name) + 1 for name in names}
    if not Epoch.objects.filter(name=NAME).update(changed_at=clock.now(), **values):
        Epoch.objects.get_or_create(name=NAME)
        Epoch.objects.filter(name=NAME).update(changed_at=clock.now(), **values)
