"""The registry's sweeps."""

from celery import shared_task

from registry.services import blobs


@shared_task
def sweep_incoming() -> int:
    """Delete what killed uploads left beside the blob store more than a day ago."""
    return blobs.sweep_incoming()
