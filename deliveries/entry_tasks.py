"""Tasks of the LoRA manager's entries; ``deliveries.tasks`` lists them for the workers."""

from celery import shared_task

from deliveries.selectors.entries import unsettled_ids
from deliveries.services import settling


@shared_task(name="deliveries.tasks.settle_entry")
def settle_entry(entry_id: int) -> None:
    """Hash, mirror and have validated what is due; a second delivery finds nothing to do."""
    settling.settle(entry_id=entry_id)


@shared_task(name="deliveries.tasks.sweep_entries", expires=30)
def sweep_entries() -> None:
    """Look again at every entry of which something is due."""
    for entry_id in unsettled_ids():
        settling.nudge(entry_id)
