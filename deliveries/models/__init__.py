"""The tables of work: entries, compositions, delivery jobs."""

from .compositions import Composition
from .entries import EntryTag, LoraEntry, Validation
from .jobs import DeliveryAttempt, DeliveryJob
from .webhooks import WebhookEndpoint

__all__ = [
    "Composition",
    "DeliveryAttempt",
    "DeliveryJob",
    "EntryTag",
    "LoraEntry",
    "Validation",
    "WebhookEndpoint",
]
