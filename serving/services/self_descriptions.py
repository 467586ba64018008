"""Keeps what programs say of adapters and versions, field by field."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from compliance.services import audit
from config.accounts.models import User
from config.accounts.roles import Act
from config.core import clock
from config.core.actors import Actor
from config.core.errors import Conflict
from registry.models import Adapter, BaseModel, Version
from registry.services import adapters
from serving.models import SelfDescription
from serving.services import rights


def register_adapter(
    *,
    slug: str,
    namespace: str,
    base_model: BaseModel,
    adapter_type: str,
    safety_class: str,
    described: Mapping[str, Any],
    stated: Mapping[str, Any],
    user: User,
    actor: Actor,
) -> Adapter:
    """Open an adapter, or change the words of the one that is there, and keep what is stated.

    ``described``: the registry's descriptive fields. ``stated``: see ``state``.

    Raises:
        Forbidden: no role of the account may submit.
        AdapterInvalid: a field is malformed.
        Conflict: it is there with another base, type or safety class.
    """
    rights.require(user=user, act=Act.SUBMIT)
    with transaction.atomic():
        row = Adapter.objects.filter(namespace=namespace, slug=slug).first()
        if row is None:
            row = adapters.create(
                slug=slug,
                namespace=namespace,
                base_model=base_model,
                adapter_type=adapter_type,
                safety_class=safety_class,
                owner=user,
                actor=actor,
                **described,
            )
        else:
            _refuse_others(row, base_model, adapter_type, safety_class)
            row = adapters.change(adapter=row, values=described, actor=actor)
        state(adapter=row, values=stated, user=user, actor=actor)
    return row


def state(
    *,
    adapter: Adapter,
    values: Mapping[str, Any],
    user: User,
    actor: Actor,
    version: Version | None = None,
) -> SelfDescription:
    """Keep ``values``, plain JSON, field by field: what is left out stays, None takes it away.

    Raises:
        Forbidden: no role of the account may submit.
    """
    rights.require(user=user, act=Act.SUBMIT)
    with transaction.atomic():
        Adapter.objects.select_for_update(no_key=True).get(pk=adapter.pk)
        row, _ = SelfDescription.objects.get_or_create(
            adapter=adapter, version=version, defaults={"stated_by": user}
        )
        new = {key: val for key, val in {**row.values, **values}.items() if val is not None}
        changed = sorted(key for key in {*row.values, *new} if row.values.get(key) != new.get(key))
        if not changed:
            return row
        diff = {key: [_plain(row.values.get(key)), _plain(new.get(key))] for key in changed}
        row.values, row.stated_by, row.stated_at = new, user, clock.now()
        row.save(update_fields=["values", "stated_by", "stated_at"])
        audit.record(
            action="self_description.changed",
            actor=actor,
            object_type="version" if version is not None else "adapter",
            object_id=str(version.uuid if version is not None else adapter.uuid),
            object_rev=version.digest if version is not None else "",
            diff=diff,
        )
    return row


def _refuse_others(row: Adapter, base_model: BaseModel, adapter_type: str, safety: str) -> None:
    fixed = {
        "base model": (row.base_model.slug, base_model.slug),
        "type": (row.adapter_type, adapter_type),
        "safety class": (str(row.safety_class), safety),
    }
    for name, (old, new) in fixed.items():
        if old != new:
            raise Conflict(
                f"{row.ref} is registered with the {name} {old}, not {new}.",
                fix="What its versions were judged by stays; open another adapter.",
            )


def _plain(value: Any) -> Any:
    """``value`` without floats, which canonical JSON has no one form for."""
    return format(value, "g") if isinstance(value, float) else value
