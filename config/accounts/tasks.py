"""Celery tasks of the accounts."""

from celery import shared_task

from config.accounts.services import idempotency


@shared_task(name="config.accounts.tasks.sweep_idempotency_keys")
def sweep_idempotency_keys() -> None:
    """Forget the keys and answers of yesterday."""
    idempotency.forget_old()
