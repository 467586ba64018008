"""What the trail says of things, for comparing it with their rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from compliance.models import AuditEvent
from compliance.selectors.audit import parse_body

VERIFIED = "audit.verified"


@dataclass(frozen=True)
class Told:
    """An event as far as it is compared: what about which thing, and its old and new values."""

    action: str
    object_id: str
    object_rev: str
    diff: dict[str, list[Any]]

    def before(self, field: str) -> Any:
        """The old value of a field; None where the event does not name it."""
        return self.diff.get(field, [None, None])[0]

    def after(self, field: str) -> Any:
        """The new value of a field; None where the event does not name it."""
        return self.diff.get(field, [None, None])[1]


@dataclass(frozen=True)
class Verified:
    """What the last verification that was written down had found."""

    failures: int
    first: str


def last_verified() -> Verified | None:
    """The newest one, or None where none was written down; as damaged as the trail may be."""
    row = AuditEvent.objects.filter(action=VERIFIED).order_by("-pk").first()
    if row is None:
        return None
    try:
        diff = parse_body(row)["diff"]
        return Verified(int(diff["failures"][1]), str(diff["first"][1] or ""))
    except (ValueError, KeyError, TypeError, IndexError):
        return Verified(1, "what the last verification wrote down can't be read")


def told(*actions: str) -> Iterator[Told]:
    """The events of these actions, oldest first.

    One that can't be read any more is left out: the chain's own check names it.
    """
    rows = AuditEvent.objects.filter(action__in=actions).order_by("pk")
    for row in rows.only("action", "body").iterator(2000):
        try:
            body = parse_body(row)
            subject, diff = body["object"], body["diff"]
            pairs = {name: list(pair) for name, pair in diff.items() if len(pair) == 2}
            yield Told(row.action, str(subject["id"]), str(subject["rev"]), pairs)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
