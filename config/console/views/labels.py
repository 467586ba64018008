"""Reads a label from a form: the population is one ``attribute: level`` a line."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from config.core.errors import Invalid


def label_values(posted: Mapping[str, Any]) -> dict[str, Any]:
    """The label's members as ``labels.change`` takes them.

    Raises:
        Invalid: a line of the population is no ``attribute: level``.
    """
    return {
        "purpose": str(posted.get("purpose", "")),
        "population": _strata(str(posted.get("population", ""))),
        "setting": str(posted.get("setting", "")),
        "language": str(posted.get("language", "")) or "en",
        "limits": str(posted.get("limits", "")),
        "touches_phi": bool(posted.get("touches_phi")),
    }


def _strata(text: str) -> list[dict[str, str]]:
    strata = []
    for line in text.splitlines():
        if not line.strip():
            continue
        attribute, colon, level = line.partition(":")
        if not colon or not attribute.strip() or not level.strip():
            raise Invalid(
                _("“%(line)s” names no population.") % {"line": line.strip()[:80]},
                fix=_("Write one a line, as in “age_group: adult”."),
            )
        strata.append({"attribute": attribute.strip(), "level": level.strip()})
    return strata
