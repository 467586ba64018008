"""What can go wrong with deliveries and webhooks."""

from config.core.errors import DomainError, ErrorKind


class DeliveryInvalid(DomainError):
    """The mode or its parameters are malformed."""

    code = "delivery-invalid"
    title = "The delivery can't be made like this"
    kind = ErrorKind.INVALID


class DeliveryNotFound(DomainError):
    """No delivery of this account has this id."""

    code = "delivery-not-found"
    title = "There is no such delivery"
    kind = ErrorKind.NOT_FOUND


class ChannelRefused(DomainError):
    """What the job asks for is not offered any more; trying again can't help."""

    code = "channel-refused"
    title = "The channel does not offer this"
    kind = ErrorKind.INVALID


class ChannelFailed(DomainError):
    """The other side did not take it this time. ``detail`` says more, to the job's owner alone."""

    code = "channel-failed"
    title = "The delivery did not arrive"
    kind = ErrorKind.UNAVAILABLE

    def __init__(self, message: str, *, detail: dict[str, object] | None = None) -> None:
        super().__init__(message, fix="It is tried again by itself, as often as is stated.")
        self.detail = detail or {}


class WebhookInvalid(DomainError):
    """The endpoint's address or events are not acceptable."""

    code = "webhook-invalid"
    title = "The webhook is not valid"
    kind = ErrorKind.INVALID


class WebhookNotFound(DomainError):
    """No endpoint has this id."""

    code = "webhook-not-found"
    title = "There is no such webhook"
    kind = ErrorKind.NOT_FOUND
