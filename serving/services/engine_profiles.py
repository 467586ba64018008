"""Keeps engine profiles: each is checked before it is stored."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction

from compliance.services import audit
from config.accounts.models import User
from config.accounts.roles import Act
from config.core import clock
from config.core.actors import Actor
from config.core.errors import Conflict
from serving.domain.engine_profiles import DEFAULT, PACKAGED, EngineProfile
from serving.errors import EngineProfileInvalid
from serving.models import EngineProfileRow
from serving.selectors.engine_profiles import door_profile
from serving.services import rights


def save(
    *, values: Mapping[str, Any], is_used_by_door: bool, user: User, actor: Actor
) -> EngineProfile:
    """Store a profile, new or changed; one of a packaged profile's name stands in its place.

    Raises:
        Forbidden: no role of the account may register nodes.
        EngineProfileInvalid: a shape can't work, or the registry's door can't work with it.
        Conflict: somebody else gave the door another profile at the same moment.
    """
    rights.require(user=user, act=Act.NODES)
    profile = EngineProfile.checked(**values)
    with _one_at_the_door(), transaction.atomic():
        rows = EngineProfileRow.objects.select_for_update(no_key=True)
        before = rows.filter(name=profile.name).first()
        # The packaged one is used where nothing else is chosen, so its own row has to fit too.
        if is_used_by_door or profile.name == DEFAULT:
            _require_door_fits(profile)
        if is_used_by_door:
            rows.exclude(name=profile.name).update(is_used_by_door=False)
        old = _values_of(before, profile.name)
        new = {**profile.as_json(), "is_used_by_door": is_used_by_door}
        EngineProfileRow.objects.update_or_create(
            name=profile.name, defaults={**new, "changed_at": clock.now()}
        )
        audit.record(
            action="engine_profile.saved",
            actor=actor,
            object_type="engine_profile",
            object_id=profile.name,
            diff={
                key: [old.get(key), value] for key, value in new.items() if old.get(key) != value
            },
        )
    return profile


@contextmanager
def _one_at_the_door() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise Conflict(
            "Somebody else gave the door another profile at the same moment.",
            fix="Look which one it uses, and store yours again if it still should be used.",
        ) from error


def _values_of(row: EngineProfileRow | None, name: str) -> dict[str, Any]:
    if row is not None:
        return {key: value for key, value in vars(row).items() if not key.startswith("_")}
    packaged = PACKAGED.get(name)
    if packaged is None:
        return {}
    return {**packaged.as_json(), "is_used_by_door": door_profile().name == name}


def _require_door_fits(profile: EngineProfile) -> None:
    if fault := profile.door_fault:
        raise EngineProfileInvalid(
            f"The registry's own door can't use {profile.name}: {fault}.",
            fix="Add what is missing, or let the door use another profile.",
        )
