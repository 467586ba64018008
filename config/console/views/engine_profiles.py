"""The page of engine profiles: read, changed, added."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from django.urls import reverse
from django.utils.translation import gettext as _

from config.accounts.roles import Act
from config.console.views.page import Page, crumb
from config.core import strict_json
from config.core.errors import Invalid
from serving.domain.engine_profiles import FIELDS, SHAPE_FIELDS, EngineProfile
from serving.selectors import engine_profiles as reads
from serving.services import engine_profiles


class EngineProfilesView(Page):
    """All profiles, each with its form, and a form for a new one."""

    template_name = "console/engine_profiles.html"
    acts: ClassVar = {"save": "save"}

    def context(self) -> dict[str, Any]:
        """The profiles with their shapes as text."""
        door, known = reads.door_profile().name, reads.profiles()
        new = EngineProfile(name="")
        typed = self.request.POST if self.request.method == "POST" else None
        why_not = self.access.why_not(Act.NODES)
        cards = [
            _card(profile, typed, is_new=profile is new, is_used_now=profile.name == door)
            for profile in (known if why_not else (*known, new))
        ]
        return {
            "title": _("Engine profiles"),
            "crumbs": [crumb(_("Nodes"), reverse("admin:nodes")), crumb(_("Engine profiles"))],
            "cards": cards,
            "why_not_save": why_not,
        }

    def save(self) -> tuple[str, str]:
        """Store a profile, new or changed."""
        self.access.require(Act.NODES)
        posted = self.request.POST
        saved = engine_profiles.save(
            values={
                "name": posted.get("name", "").strip(),
                "title": posted.get("title", "").strip(),
                "adapter_path": posted.get("adapter_path", "").strip(),
                "is_appended": posted.get("is_appended") == "on",
                "separator": posted.get("separator", ""),
                **{name: _shape(posted.get(name, "")) for name in SHAPE_FIELDS},
            },
            is_used_by_door=posted.get("is_used_by_door") == "on",
            user=self.access.user,
            actor=self.access.actor,
        )
        return _("The profile %(name)s is saved.") % {"name": saved.name}, ""


def _card(
    profile: EngineProfile,
    typed: Mapping[str, Any] | None,
    *,
    is_new: bool,
    is_used_now: bool,
) -> dict[str, Any]:
    """A profile with its form; what was typed and refused stands in the form that it came from."""
    values: Mapping[str, Any] = profile.as_json()
    texts = {name: json.dumps(values[name], indent=2) for name in SHAPE_FIELDS}
    is_used = is_used_now
    known = None if typed is None else typed.get("form", "")
    if typed is not None and known == profile.name:
        values = {**values, **{name: typed.get(name, "") for name in FIELDS}}
        texts = {name: typed.get(name, "") for name in SHAPE_FIELDS}
        is_used = typed.get("is_used_by_door") == "on"
    return {
        "id": f"profile-{profile.name}" if profile.name else "profile-new-one",
        "form": profile.name,
        "values": values,
        "shapes": [(name, _label(name), texts[name]) for name in SHAPE_FIELDS],
        "is_new": is_new,
        "is_open": known == profile.name,
        "is_used_now": is_used_now,
        "is_used_by_door": is_used,
    }


def _label(name: str) -> str:
    return {
        "register_request_shape": _("Load: what the engine gets"),
        "register_response_shape": _("Load: what the client gets"),
        "unregister_request_shape": _("Unload: what the engine gets"),
        "unregister_response_shape": _("Unload: what the client gets"),
    }[name]


def _shape(text: str) -> Any:
    try:
        return strict_json.parse(text or "{}")
    except ValueError as error:
        raise Invalid(
            _("A shape is not JSON."), fix=_('Write an object, like {"name": "body.name"}.')
        ) from error
