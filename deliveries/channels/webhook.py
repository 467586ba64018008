"""POSTs to a registered endpoint, signed so that its owner can tell that it came from here."""

import json

from deliveries.channels.base import Channel, Parcel, Receipt
from deliveries.channels.http import receipt_of
from deliveries.domain import webhook_signatures
from deliveries.domain.delivery_targets import WebhookTarget
from deliveries.domain.modes import Mode

PROMPT_EVENT = "delivery.prompt"


class WebhookChannel(Channel):
    """An event's JSON as it is; a prompt wrapped as the event ``delivery.prompt``."""

    mode = Mode.WEBHOOK

    def deliver(self, parcel: Parcel) -> Receipt:
        """POST once; any status but 2xx is a failure."""
        assert isinstance(parcel.target, WebhookTarget)
        event = parcel.target.event or PROMPT_EVENT
        body = (parcel.prompt if parcel.target.event else _wrapped(parcel, parcel.target)).encode()
        answer = self.means.egress.post(
            parcel.url,
            body=body,
            headers={
                "Content-Type": "application/json",
                "Idempotency-Key": parcel.key,
                "X-Formulary-Event": event,
                webhook_signatures.HEADER: webhook_signatures.sign(
                    secret=parcel.secret, body=body, at_seconds=parcel.sent_at
                ),
            },
            timeout_seconds=self.means.timeout_seconds,
            max_bytes=self.means.max_answer_bytes,
        )
        return receipt_of(answer)


def _wrapped(parcel: Parcel, target: WebhookTarget) -> str:
    data: dict[str, object] = {"prompt": parcel.prompt}
    if target.metadata:
        data["metadata"] = target.metadata
    return json.dumps({"id": parcel.key, "type": PROMPT_EVENT, "data": data}, ensure_ascii=False)
