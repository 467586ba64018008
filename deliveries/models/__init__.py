"""The tables of work: entries, compositions, delivery jobs."""

from .compositions import Composition
from .delivery_sums import DeliverySum
from .entries import EntryTag, LoraEntry, Validation
from .jobs import DeliveryAttempt, DeliveryJob
from .webhooks import WebhookEndpoint

__all__ = [
    "Composition",
    "DeliveryAttempt",
    "DeliveryJob",
    "DeliverySum",
    "EntryTag",
    "LoraEntry",
    "Validation",
    "WebhookEndpoint",
]
