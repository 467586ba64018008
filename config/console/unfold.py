"""What unfold is told: name, colours, our stylesheets and script, and the side navigation."""

from collections.abc import Callable
from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def _file(name: str) -> Callable[[Any], str]:
    return lambda request: static(f"console/{name}")


def _page(title: Any, icon: str, name: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{name}"), **more}


def _may_audit(request: Any) -> bool:
    return _may(request, "AUDIT")


def _may_submit(request: Any) -> bool:
    return _may(request, "SUBMIT")


def _may(request: Any, act: str) -> bool:
    from config.accounts.roles import Act
    from config.console.access import access_of

    return access_of(request).may(Act[act])


def _navigation(request: Any) -> list[dict[str, Any]]:
    """Our pages, then the records that the rooms list in the admin."""
    from config.console.sites import console

    records = [
        _page(
            *RECORDS[model._meta.label_lower],
            f"{model._meta.label_lower.replace('.', '_')}_changelist",
        )
        for model in console._registry
        if model._meta.label_lower in RECORDS
    ]
    return [{"title": "", "items": PAGES}, {"title": _("Records"), "items": records}]


PAGES = [
    _page(_("Today"), "today", "index"),
    _page(_("Adapters"), "category", "adapters"),
    _page(_("Versions"), "stacks", "versions"),
    _page(_("Avatars"), "face", "avatars", permission=_may_submit),
    _page(_("Training"), "model_training", "training-runs"),
    _page(_("Approvals"), "draw", "approvals"),
    _page(_("Deployments"), "lan", "deployments"),
    _page(_("Rollouts"), "move_up", "rollouts"),
    _page(_("Playground"), "science", "playground"),
    _page(_("Nodes"), "dns", "nodes"),
    _page(_("System"), "monitor_heart", "system"),
    _page(_("Legal holds"), "gavel", "holds", permission=_may_audit),
    _page(_("Audit"), "history_edu", "audit", permission=_may_audit),
]
RECORDS = {
    "accounts.person": (_("People"), "badge"),
    "accounts.user": (_("Accounts"), "person"),
    "accounts.rolegrant": (_("Roles held"), "verified_user"),
    "accounts.apitoken": (_("Tokens"), "key"),
    "registry.basemodel": (_("Base models"), "deployed_code"),
    "compliance.evaluationset": (_("Evaluation sets"), "quiz"),
    "deliveries.loraentry": (_("Prompt set"), "format_list_numbered"),
}
SHEETS = ("colours", "shell", "parts", "charts", "pages", "print")
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Formulary",
    "SITE_HEADER": "Formulary",
    "SITE_SYMBOL": "prescriptions",
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [_file(f"{name}.css") for name in SHEETS],
    "SCRIPTS": [_file("console.js"), _file("live.js"), _file("upload.js"), _file("playground.js")],
    "COLORS": {
        "base": {
            "50": "#f5f7f8",
            "100": "#eef1f3",
            "200": "#d9dfe3",
            "300": "#c3ccd2",
            "400": "#8f9daa",
            "500": "#5b6a77",
            "600": "#3f4d59",
            "700": "#2e3b45",
            "800": "#202b33",
            "900": "#172027",
            "950": "#0f161b",
        },
        "primary": {
            "50": "#eef7f7",
            "100": "#d5ecec",
            "200": "#aedada",
            "300": "#7cc4c3",
            "400": "#4fb0ae",
            "500": "#2b9290",
            "600": "#0b6b70",
            "700": "#0a5a5f",
            "800": "#0c484c",
            "900": "#0d3c3f",
            "950": "#062325",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "command_search": False,
        "show_all_applications": False,
        "navigation": _navigation,
    },
}
