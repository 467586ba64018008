"""Delivery jobs: taken in, tried by a worker, tried again, taken over, ended."""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings

from config.core import clock, egress
from config.core.actors import Actor
from config.core.egress_calls import EgressFailed, EgressRefused
from config.core.failpoints import failpoint
from config.core.heartbeats import beating
from deliveries.channels import channel
from deliveries.channels.base import Parcel, Receipt
from deliveries.channels.cli import forget_prompt_files
from deliveries.domain.delivery_targets import (
    MAX_FILLED_LETTERS,
    CliTarget,
    HttpTarget,
    S3Target,
    Target,
    WebhookTarget,
    read_mode,
    read_target,
)
from deliveries.errors import ChannelFailed, ChannelRefused, DeliveryInvalid
from deliveries.models import Composition, DeliveryJob, WebhookEndpoint
from deliveries.selectors import deliveries as reads
from deliveries.services import delivery_means, delivery_records
from deliveries.services.delivery_records import Failure
from deliveries.states import Mode

log = structlog.get_logger(__name__)
MAX_PROMPT_LETTERS = 100_000
# Far longer than a command may run: what lies there then was left by a killed worker.
PROMPT_FILES_KEPT = timedelta(hours=1)


def enqueue(
    *,
    actor: Actor,
    prompt: str,
    mode: str,
    params: Mapping[str, Any] | None = None,
    composition: Composition | None = None,
) -> DeliveryJob:
    """Take a prompt in for delivery; a worker tries it once the caller's transaction commits.

    Raises:
        DeliveryInvalid: no such mode, a parameter is wrong, or what it names is not offered here.
        EgressRefused: the policy for outgoing calls does not allow the target.
    """
    known = read_mode(mode)
    target = read_target(known, params or {})
    if len(prompt) > MAX_PROMPT_LETTERS:
        raise DeliveryInvalid(f"The prompt has more than {MAX_PROMPT_LETTERS} letters.")
    if isinstance(target, CliTarget) and target.filled_letters(prompt) > MAX_FILLED_LETTERS:
        raise DeliveryInvalid(
            f"Filled in, the text would have more than {MAX_FILLED_LETTERS} letters.",
            fix="Name the prompt in fewer places.",
        )
    return delivery_records.create(
        mode=known,
        prompt=prompt,
        params=params or {},
        shown=_shown(target),
        endpoint=_require_offered(target),
        composition=composition,
        actor=actor,
    )


def run(*, job_id: int) -> bool:
    """Try a job once; False when it is not due, or another worker has it.

    Nothing is sent inside a transaction, and the outcome is written only while this try still
    owns the job. A worker that dies in between leaves a job that is taken over and sent again,
    under the same idempotency key.
    """
    job = delivery_records.begin(job_id=job_id)
    if job is None:
        return False
    failpoint("delivery.begun")
    began = time.monotonic()
    with beating(lambda: delivery_records.beat(job)):
        outcome = _try(job)
        failpoint("delivery.before_result")
    log.info(
        "delivery.tried",
        object=str(job.uuid),
        attempt=job.attempts_count,
        state="failed" if isinstance(outcome, Failure) else "succeeded",
        duration_ms=round(1000 * (time.monotonic() - began)),
    )
    if isinstance(outcome, Failure):
        return delivery_records.fail(job, outcome)
    return delivery_records.succeed(job, outcome.detail)


def requeue_silent() -> int:
    """Give jobs whose worker fell silent to another; how many."""
    silent_since = clock.now() - timedelta(seconds=settings.WORK_TAKE_OVER_SECONDS)
    return sum(delivery_records.lose(job) for job in reads.silent(silent_since))


def forget_texts() -> int:
    """Remove the texts of jobs that ended long ago, and files of killed tries; how many jobs."""
    now = clock.now()
    forget_prompt_files(
        delivery_means.current().prompt_folder, older_than=(now - PROMPT_FILES_KEPT).timestamp()
    )
    ended = DeliveryJob.objects.filter(
        finished_at__lt=now - timedelta(days=settings.DELIVERY_TEXT_DAYS),
        params_encrypted__isnull=False,
    )
    return ended.update(prompt_encrypted=None, params_encrypted=None, result_encrypted=None)


def _require_offered(target: Target) -> WebhookEndpoint | None:
    """The endpoint, where the target is one.

    Raises:
        DeliveryInvalid, EgressRefused: what the target names is not offered here.
    """
    if isinstance(target, HttpTarget):
        egress.require_callable(target.url)
    elif isinstance(target, CliTarget):
        if target.command and target.command not in settings.DELIVERY_COMMANDS:
            raise DeliveryInvalid(
                "There is no command of this name.",
                fix="An administrator names commands in DELIVERY_COMMANDS; or give a template "
                "that holds {prompt}.",
            )
    elif isinstance(target, S3Target):
        if not settings.DELIVERY_S3_BUCKET:
            raise DeliveryInvalid(
                "No bucket is set for deliveries.", fix="An administrator sets DELIVERY_S3_BUCKET."
            )
    else:
        if target.event:
            raise DeliveryInvalid("The event of a webhook can't be chosen.", fix="Leave it out.")
        endpoint = reads.live_endpoint(target.endpoint)
        if endpoint is None:
            raise DeliveryInvalid(
                "There is no such webhook endpoint.", fix="GET /api/v1/webhooks lists them."
            )
        return endpoint
    return None


def _shown(target: Target) -> str:
    """What the audit trail says of the target: never a path, which was typed."""
    if isinstance(target, HttpTarget):
        return egress.require_callable(target.url).netloc
    if isinstance(target, CliTarget):
        return target.command or "a text"
    if isinstance(target, WebhookTarget):
        return f"webhook {target.endpoint}"
    return f"bucket {settings.DELIVERY_S3_BUCKET}"


def _try(job: DeliveryJob) -> Receipt | Failure:
    try:
        parcel = _parcel(job)
        return channel(Mode(job.mode), delivery_means.current()).deliver(parcel)
    except (EgressRefused, ChannelRefused, DeliveryInvalid) as error:
        return Failure(error.message, is_final=True)
    except ChannelFailed as error:
        return Failure(error.message, detail=error.detail)
    except EgressFailed as error:
        return Failure(error.message)


def _parcel(job: DeliveryJob) -> Parcel:
    texts = reads.texts(job)
    target = read_target(Mode(job.mode), texts.params)
    endpoint = job.endpoint
    if isinstance(target, WebhookTarget) and (endpoint is None or endpoint.ended_at is not None):
        raise ChannelRefused("The webhook endpoint was ended.", fix="Name another one.")
    return Parcel(
        prompt=texts.prompt,
        key=job.idempotency_key,
        target=target,
        sent_at=int(clock.now().timestamp()),
        url="" if endpoint is None else endpoint.url,
        secret="" if endpoint is None else reads.secret(endpoint),
    )
