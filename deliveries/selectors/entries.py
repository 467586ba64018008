"""Reads of the LoRA manager's entries and compositions."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q, QuerySet

from config.core import clock
from config.core.errors import Invalid
from deliveries.manager_errors import CompositionNotFound, EntryNotFound
from deliveries.models import Composition, LoraEntry, Validation

# What a list may be ordered by; a minus turns it round, the key settles ties.
ORDERS: Mapping[str, tuple[F, ...]] = {
    "name": (F("name"),),
    "created_at": (F("created_at"),),
    "updated_at": (F("updated_at"),),
    "weight": (F("weight"),),
    "ordinal": (F("ordinal"), F("name")),
}
_VALIDATED_FOR = timedelta(days=1)


def entries() -> QuerySet[LoraEntry]:
    """The entries that are not deleted, with their tags."""
    return LoraEntry.objects.filter(deleted_at__isnull=True).prefetch_related("tag_rows")


def listed(
    *,
    is_active: bool | None = None,
    tag: str = "",
    namespace: str = "",
    order_by: str = "created_at",
) -> QuerySet[LoraEntry]:
    """The entries that match all that is given.

    Raises:
        Invalid: there is no such order.
    """
    rows = entries()
    if is_active is not None:
        rows = rows.filter(is_compose_active=is_active)
    if tag:
        rows = rows.filter(tag_rows__tag=tag)
    if namespace:
        rows = rows.filter(namespace=namespace)
    fields = ORDERS.get(order_by.removeprefix("-"))
    if fields is None:
        message = f"Entries are ordered by {', '.join(ORDERS)}, each also with a minus."
        raise Invalid(message, errors=[{"pointer": "/order_by", "message": message}])
    if order_by.startswith("-"):
        return rows.order_by(*(field.desc(nulls_last=True) for field in fields), "-pk")
    return rows.order_by(*(field.asc(nulls_last=True) for field in fields), "pk")


def entry_by_id(uuid: UUID) -> LoraEntry:
    """The entry with this id.

    Raises:
        EntryNotFound: there is none, or it was deleted.
    """
    found = entries().filter(uuid=uuid).first()
    if found is None:
        raise EntryNotFound(f"There is no adapter {uuid}.", fix="GET /adapters lists them.")
    return found


def in_prompt_set(namespace: str = "") -> list[LoraEntry]:
    """The entries that prompts are composed with, of one namespace or of all."""
    rows = LoraEntry.objects.filter(is_compose_active=True, deleted_at__isnull=True)
    return list(rows.filter(namespace=namespace) if namespace else rows)


def unsettled_ids() -> list[int]:
    """Keys of the entries that are still to be hashed, validated or mirrored."""
    due = Q(
        validation=Validation.PENDING,
        deleted_at__isnull=True,
        updated_at__gt=clock.now() - _VALIDATED_FOR,
    )
    if settings.METADATA_SYNC:
        due |= Q(mirrored_revision__lt=F("revision"), deleted_at__isnull=True)
        due |= Q(
            mirrored_revision__lt=F("revision"), mirrored_revision__gt=0, deleted_at__isnull=False
        )
    return list(LoraEntry.objects.filter(due).order_by("pk").values_list("pk", flat=True))


def compositions() -> QuerySet[Composition]:
    """All compositions, the newest first."""
    return Composition.objects.order_by("-pk")


def composition_by_id(uuid: UUID) -> Composition:
    """The composition with this id.

    Raises:
        CompositionNotFound: there is none.
    """
    found = Composition.objects.filter(uuid=uuid).first()
    if found is None:
        raise CompositionNotFound(
            f"There is no composition {uuid}.", fix="GET /api/v1/compositions lists them."
        )
    return found
