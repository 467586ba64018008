"""Webhook endpoints: opened, ended, told."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from django.db import transaction

from compliance.services import audit
from config.accounts.models import User
from config.core import clock, egress, keys
from config.core.actors import Actor
from deliveries.domain import webhook_events, webhook_signatures
from deliveries.domain.modes import Mode
from deliveries.errors import WebhookInvalid, WebhookNotFound
from deliveries.models import WebhookEndpoint
from deliveries.selectors.deliveries import endpoints
from deliveries.services import delivery_records

MAX_URL_LETTERS = 2048


def create(
    *, url: str, events: Sequence[str], user: User, actor: Actor, description: str = ""
) -> tuple[WebhookEndpoint, str]:
    """Open an endpoint; the second value is its secret, which nobody is shown again.

    Raises:
        WebhookInvalid: no event, or one that there is not.
        EgressRefused: the policy for outgoing calls does not allow the address.
    """
    wanted = sorted(set(events))
    unknown = [event for event in wanted if event not in webhook_events.EVENTS]
    if unknown or not wanted:
        raise WebhookInvalid(
            f"There is no event {', '.join(unknown)}." if unknown else "No event is named.",
            fix=f"Choose from {', '.join(webhook_events.EVENTS)}.",
        )
    if len(url) > MAX_URL_LETTERS:
        raise WebhookInvalid(f"The address has more than {MAX_URL_LETTERS} letters.")
    target = egress.require_callable(url)
    secret = webhook_signatures.new_secret()
    with transaction.atomic():
        endpoint = WebhookEndpoint.objects.create(
            url=url,
            events=wanted,
            description=description,
            secret_encrypted=keys.encrypt(secret),
            created_by=user,
            created_at=clock.now(),
        )
        _record(
            "webhook.created",
            endpoint,
            actor,
            # Not the path: with some receivers it is the credential.
            {"host": [None, target.netloc], "events": [None, ", ".join(wanted)]},
        )
    return endpoint, secret


def end(*, endpoint: WebhookEndpoint, actor: Actor) -> None:
    """Tell the endpoint nothing more, not even what is on its way.

    Raises:
        WebhookNotFound: it was ended meanwhile.
    """
    with transaction.atomic():
        now = clock.now()
        if not endpoints().filter(pk=endpoint.pk).update(ended_at=now):
            raise WebhookNotFound("This webhook was ended meanwhile.")
        _record("webhook.ended", endpoint, actor, {"ended_at": [None, clock.isoformat(now)]})


def announce(*, event: str, data: Mapping[str, Any], actor: Actor) -> int:
    """Tell every endpoint that listens to ``event``, in the caller's transaction; how many."""
    told = webhook_events.body(
        event_id=str(uuid4()), event=event, at=clock.isoformat(clock.now()), data=data
    )
    count = 0
    for endpoint in endpoints():
        if event not in endpoint.events:
            continue
        delivery_records.create(
            mode=Mode.WEBHOOK,
            prompt=json.dumps(told),
            params={"webhook": {"endpoint": str(endpoint.uuid), "event": event}},
            shown=f"webhook {endpoint.uuid}",
            endpoint=endpoint,
            event=event,
            actor=actor,
        )
        count += 1
    return count


def _record(
    action: str, endpoint: WebhookEndpoint, actor: Actor, diff: Mapping[str, list[Any]]
) -> None:
    audit.record(
        action=action,
        actor=actor,
        object_type="webhook",
        object_id=str(endpoint.uuid),
        diff=diff,
    )
