"""The registry's sweeps."""

from celery import shared_task

from registry.services import blobs, uploads


@shared_task
def sweep_incoming() -> int:
    """Delete what killed uploads left beside the blob store more than a day ago."""
    return blobs.sweep_incoming()


@shared_task
def sweep_uploads() -> int:
    """End uploads in chunks that nobody went on with for a day."""
    return uploads.sweep()
