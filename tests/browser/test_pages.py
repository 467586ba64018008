"""Every page in light, dark and at 400 pixels: in order, readable, and pictured."""

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import apart
from .house import House, wake

LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"color_scheme": "light", "viewport": {"width": 400, "height": 860}},
}
PAGES = {
    "today": ("reviewer", lambda house: "/console/"),
    "today-operator": ("operator", lambda house: "/console/"),
    "adapters": ("engineer", lambda house: "/console/adapters/"),
    "adapter": ("engineer", lambda house: "/console/adapters/triage/"),
    "version": ("engineer", lambda house: f"/console/versions/{house.v6.uuid}/"),
    "version-blocked": ("engineer", lambda house: f"/console/versions/{house.v3.uuid}/"),
    "version-approved": ("engineer", lambda house: f"/console/versions/{house.v5.uuid}/"),
    "signing": (
        "reviewer",
        lambda house: f"/console/approval-requests/{house.request.uuid}/sign/",
    ),
    "rollouts": ("operator", lambda house: "/console/rollouts/"),
    "rollout": ("operator", lambda house: f"/console/rollouts/{house.running.uuid}/"),
    "rollout-ended": ("operator", lambda house: f"/console/rollouts/{house.rolled_back.uuid}/"),
    "nodes": ("operator", lambda house: "/console/nodes/"),
    "system": ("operator", lambda house: "/console/system/"),
    "audit": ("operator", lambda house: "/console/audit/"),
    "records": ("operator", lambda house: "/console/accounts/user/"),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_page(house: House, desk: Callable[..., Any], name: str, look: str) -> None:
    role, path = PAGES[name]
    apart(lambda: wake(house))
    seat = desk(getattr(house.world, role), **LOOKS[look])
    answer = seat.open(path(house))
    assert answer.status == 200
    if look == "light":
        seat.picture(f"{name}-first-screen", is_whole=False)
    seat.picture(f"{name}-{look}")
    assert seat.errors == []
    assert seat.overflow_pixels() <= 0
    # Narrow pages have the same elements as light ones.
    if look != "narrow":
        assert seat.violations() == []
