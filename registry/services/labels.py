"""States and changes a version's intended use."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from django.db import transaction
from django.db.models import Max

from config.accounts.models import User
from config.core.actors import Actor
from config.core.events import publish
from registry.errors import LabelInvalid
from registry.events import LabelChanged
from registry.models import Label, Version

FIELDS = ("purpose", "population", "setting", "language", "limits", "touches_phi")


class LabelValues(TypedDict, total=False):
    """A label as a caller states it; ``purpose`` and ``population`` are required."""

    purpose: str
    population: Sequence[Mapping[str, str]]
    setting: str
    language: str
    limits: str
    touches_phi: bool


def change(
    *,
    version: Version,
    user: User,
    actor: Actor,
    purpose: str,
    population: Sequence[Mapping[str, str]],
    setting: str = "",
    language: str = "en",
    limits: str = "",
    touches_phi: bool = False,
) -> Label:
    """Add a revision of the label; the same words again change nothing.

    Raises:
        LabelInvalid: the purpose is empty, or the population is not a list of strata.
    """
    values = clean(
        {
            "purpose": purpose,
            "population": population,
            "setting": setting,
            "language": language,
            "limits": limits,
            "touches_phi": touches_phi,
        }
    )
    with transaction.atomic():
        Version.objects.select_for_update(no_key=True).get(pk=version.pk)
        current = version.labels.first()
        if current is not None and all(getattr(current, key) == values[key] for key in FIELDS):
            return current
        highest = version.labels.aggregate(highest=Max("revision"))["highest"] or 0
        label = Label.objects.create(
            version=version, revision=highest + 1, created_by=user, **values
        )
        publish(
            LabelChanged(
                actor=actor,
                object_type="version",
                object_id=str(version.uuid),
                object_rev=version.digest,
                version_id=version.pk,
                diff={
                    key: [getattr(current, key) if current else None, values[key]]
                    for key in FIELDS
                    if current is None or getattr(current, key) != values[key]
                },
            )
        )
    return label


def clean(values: Mapping[str, Any]) -> dict[str, Any]:
    """The label's fields, checked and in one form.

    Raises:
        LabelInvalid: naming each field that is wrong.
    """
    errors: list[dict[str, Any]] = []

    def refuse(pointer: str, message: str) -> None:
        errors.append({"pointer": pointer, "message": message})

    if unknown := sorted(set(values) - set(FIELDS)):
        refuse(f"/{unknown[0]}", "is no field of a label")
    texts = {"purpose": 2000, "setting": 200, "language": 35, "limits": 4000}
    cleaned: dict[str, Any] = {}
    for key, maximum in texts.items():
        value = values.get(key, "en" if key == "language" else "")
        if not isinstance(value, str) or len(value) > maximum or not _is_storable(value):
            refuse(f"/{key}", f"must be plain text of at most {maximum} characters")
            continue
        cleaned[key] = value.strip()
    if cleaned.get("purpose") == "":
        refuse("/purpose", "must say what the version is for")
    touches_phi = values.get("touches_phi", False)
    if not isinstance(touches_phi, bool):
        refuse("/touches_phi", "must be true or false")
    cleaned["touches_phi"] = touches_phi
    cleaned["population"] = _clean_population(values.get("population"), refuse)
    if errors:
        raise LabelInvalid(
            "; ".join(f"{row['pointer']} {row['message']}" for row in errors),
            fix='Give purpose and population, such as [{"attribute": "age_group", "level": '
            '"adult"}].',
            errors=errors,
        )
    return cleaned


def _clean_population(value: Any, refuse: Any) -> list[dict[str, str]]:
    if not isinstance(value, list | tuple) or not value or len(value) > 100:
        refuse("/population", "must be a list of 1 to 100 strata")
        return []
    strata = []
    for index, row in enumerate(value):
        is_stratum = (
            isinstance(row, Mapping)
            and set(row) == {"attribute", "level"}
            and all(
                isinstance(row[key], str)
                and row[key].isprintable()
                and 0 < len(row[key].strip()) <= 60
                for key in row
            )
        )
        if not is_stratum:
            refuse(f"/population/{index}", "must have attribute and level, both text")
            continue
        stratum = {"attribute": row["attribute"].strip(), "level": row["level"].strip()}
        if stratum not in strata:
            strata.append(stratum)
    return sorted(strata, key=lambda row: (row["attribute"], row["level"]))


def _is_storable(text: str) -> bool:
    """No database takes a NUL, and UTF-8 has no lone surrogates."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
