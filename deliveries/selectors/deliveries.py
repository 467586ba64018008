"""Reads delivery jobs and webhook endpoints; texts are decrypted here and nowhere else."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Min, Q, QuerySet

from config.accounts.models import User
from config.core import clock, keys
from deliveries.errors import DeliveryNotFound, WebhookNotFound
from deliveries.models import DeliveryJob, WebhookEndpoint
from deliveries.states import WAITING_STATES, DeliveryState

# A message that was sent may still be on its way: the sweep looks at what is overdue.
OVERDUE = timedelta(seconds=2)
MOST_A_SWEEP = 500


@dataclass(frozen=True, slots=True)
class Texts:
    """What a job carries; patients' text, never logged."""

    prompt: str = field(repr=False)
    params: Mapping[str, Any] = field(repr=False)
    result: Mapping[str, Any] | None = field(repr=False)


def texts(job: DeliveryJob) -> Texts:
    """The texts of a job; empty once they were removed."""
    return Texts(
        prompt=_text(job.prompt_encrypted) or "",
        params=json.loads(_text(job.params_encrypted) or "{}"),
        result=json.loads(_text(job.result_encrypted) or "null"),
    )


def jobs_of(user: User) -> QuerySet[DeliveryJob]:
    """The jobs that an account has enqueued."""
    return DeliveryJob.objects.filter(created_by=user)


def job_of(user: User, uuid: UUID) -> DeliveryJob:
    """A job of an account, with its tries.

    Raises:
        DeliveryNotFound: it has none of this id; whose it is otherwise is not told.
    """
    job = jobs_of(user).prefetch_related("attempts").filter(uuid=uuid).first()
    if job is None:
        raise DeliveryNotFound(
            "You have no delivery with this id.", fix="GET /api/v1/deliveries lists yours."
        )
    return job


def silent(since: datetime) -> QuerySet[DeliveryJob]:
    """Jobs whose worker was not heard of since then."""
    running = DeliveryJob.objects.filter(state=DeliveryState.RUNNING)
    return running.filter(Q(heartbeat_at__lt=since) | Q(heartbeat_at=None))


def overdue_ids() -> Sequence[int]:
    """Jobs that should have been tried by now, those that wait longest first."""
    rows = DeliveryJob.objects.filter(
        state__in=WAITING_STATES, next_try_at__lt=clock.now() - OVERDUE
    )
    return list(rows.order_by("next_try_at").values_list("pk", flat=True)[:MOST_A_SWEEP])


def oldest_due_at() -> datetime | None:
    """When the job that waits longest should have been tried; None where none is due."""
    rows = DeliveryJob.objects.filter(state__in=WAITING_STATES, next_try_at__lt=clock.now())
    return rows.aggregate(at=Min("next_try_at"))["at"]


def endpoints() -> QuerySet[WebhookEndpoint]:
    """Endpoints that are told of events."""
    return WebhookEndpoint.objects.filter(ended_at=None)


def live_endpoint(uuid: UUID) -> WebhookEndpoint | None:
    """The endpoint of this id, unless it was ended."""
    return endpoints().filter(uuid=uuid).first()


def endpoint_by_uuid(uuid: UUID) -> WebhookEndpoint:
    """The endpoint of this id.

    Raises:
        WebhookNotFound: there is none, or it was ended.
    """
    found = live_endpoint(uuid)
    if found is None:
        raise WebhookNotFound("There is no webhook with this id.", fix="GET /api/v1/webhooks.")
    return found


def secret(endpoint: WebhookEndpoint) -> str:
    """The secret that signs what the endpoint gets."""
    return keys.decrypt(bytes(endpoint.secret_encrypted))


def _text(encrypted: bytes | memoryview | None) -> str | None:
    return None if encrypted is None else keys.decrypt(bytes(encrypted))
