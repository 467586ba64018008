"""Reads of engine profiles: the packaged ones, and the rows that replace or join them."""

from serving.domain.engine_profiles import DEFAULT, FIELDS, PACKAGED, EngineProfile
from serving.errors import EngineProfileNotFound
from serving.models import EngineProfileRow


def profiles() -> list[EngineProfile]:
    """All profiles by name."""
    found = dict(PACKAGED)
    found.update({row.name: _profile(row) for row in EngineProfileRow.objects.all()})
    return [found[name] for name in sorted(found)]


def profile_by_name(name: str) -> EngineProfile:
    """The profile of this name.

    Raises:
        EngineProfileNotFound: there is none; the message names those that there are.
    """
    row = EngineProfileRow.objects.filter(name=name).first()
    if row is not None:
        return _profile(row)
    if name in PACKAGED:
        return PACKAGED[name]
    known = ", ".join(profile.name for profile in profiles())
    raise EngineProfileNotFound("There is no such engine profile.", fix=f"There are: {known}.")


def door_profile() -> EngineProfile:
    """The profile by which the registry's own SageMaker door translates."""
    row = EngineProfileRow.objects.filter(is_used_by_door=True).first()
    if row is None:
        row = EngineProfileRow.objects.filter(name=DEFAULT).first()
    return PACKAGED[DEFAULT] if row is None else _profile(row)


def _profile(row: EngineProfileRow) -> EngineProfile:
    return EngineProfile(**{name: getattr(row, name) for name in FIELDS})
