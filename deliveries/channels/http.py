"""POSTs the prompt as JSON to a host that the policy for outgoing calls allows."""

import json

from config.core.egress_calls import Answer
from deliveries.channels.base import Channel, Parcel, Receipt, shortened
from deliveries.domain.delivery_targets import HttpTarget
from deliveries.domain.modes import Mode
from deliveries.errors import ChannelFailed


class HttpChannel(Channel):
    """``{"prompt": …, "metadata": …}`` and the header ``Idempotency-Key``."""

    mode = Mode.HTTP

    def deliver(self, parcel: Parcel) -> Receipt:
        """POST once; any status but 2xx is a failure."""
        assert isinstance(parcel.target, HttpTarget)
        body: dict[str, object] = {"prompt": parcel.prompt}
        if parcel.target.metadata:
            body["metadata"] = parcel.target.metadata
        answer = self.means.egress.post(
            parcel.target.url,
            body=json.dumps(body, ensure_ascii=False).encode(),
            headers={"Content-Type": "application/json", "Idempotency-Key": parcel.key},
            timeout_seconds=self.means.timeout_seconds,
            max_bytes=self.means.max_answer_bytes,
        )
        return receipt_of(answer)


def receipt_of(answer: Answer) -> Receipt:
    """The receipt of a 2xx answer.

    Raises:
        ChannelFailed: it is another.
    """
    detail = {"status_code": answer.status, "body": shortened(answer.body)}
    if not answer.is_success:
        raise ChannelFailed(f"The other side answered HTTP {answer.status}.", detail=detail)
    return Receipt(detail)
