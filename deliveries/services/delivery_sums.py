"""Adds up the jobs that no transaction can change any more."""

from datetime import timedelta

from django.db import transaction

from config.core import clock
from deliveries.models import DeliverySum
from deliveries.selectors.tallies import (
    LATENCY_BUCKETS_SECONDS,
    settled_tallies,
    tallies_between,
)
from deliveries.states import Mode

# A moment is written before its transaction ends, perhaps by a clock that is behind.
SETTLED_AFTER = timedelta(minutes=15)


@transaction.atomic
def add_up() -> None:
    """Move the sums forward; the first time they take in whatever there is."""
    bounds = list(LATENCY_BUCKETS_SECONDS)
    until = clock.now() - SETTLED_AFTER
    for mode in Mode:
        DeliverySum.objects.get_or_create(
            mode=mode, defaults={"until": until, "bounds": [], "within": []}
        )
    # One at a time: two would each add the same jobs.
    rows = {
        row.mode: row for row in DeliverySum.objects.select_for_update(no_key=True).order_by("mode")
    }
    since, settled = settled_tallies()
    if since is not None and since >= until:
        return
    added = tallies_between(since, until)
    for mode in Mode:
        total, row = settled[mode] + added[mode], rows[mode]
        row.until, row.bounds = until, bounds
        row.enqueued, row.succeeded, row.failed = total.enqueued, total.succeeded, total.failed
        row.took_ms, row.within = total.took_ms, list(total.within)
        row.save()
