"""Every page in light, dark and at 400 pixels: in order and readable."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import resolve

from config.console.urls import pages

from .addresses import NOT_PAGES, PAGES
from .conftest import NARROW, WIDE, Desk, apart
from .house import House, wake


@pytest.fixture(scope="module")
def table(window: Any, server: str) -> Iterator[Desk]:
    """One desk for all pages: what they share is loaded once, as it is for who works here."""
    made = Desk(window, server)
    yield made
    made.close()


def test_no_page_is_forgotten(house: House) -> None:
    """The table of paths has no page that is not looked at below."""
    looked_at = {resolve(path(house).partition("?")[0]).url_name for _, path in PAGES.values()}
    named = {pattern.name for pattern in pages(lambda view: view)}
    assert named - looked_at == set(NOT_PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_page(house: House, table: Desk, name: str) -> None:
    role, path = PAGES[name]
    apart(lambda: wake(house))
    seat = table
    seat.seat(getattr(house.world, role))
    seat.page.set_viewport_size(WIDE)
    seat.page.emulate_media(color_scheme="light")
    answer = seat.open(apart(lambda: path(house)))
    assert answer.status == 200
    seat.picture(f"{name}-first-screen", is_whole=False)
    seat.picture(f"{name}-light")
    found = [f"light: {fault}" for fault in seat.violations()]
    # Whoever makes the window narrow does not load the page anew.
    seat.page.set_viewport_size(NARROW)
    assert seat.overflow_pixels() <= 0
    seat.picture(f"{name}-narrow")
    # Narrow pages have the same elements as light ones; the folded menu is seen to in test_acts.
    seat.page.set_viewport_size(WIDE)
    seat.page.emulate_media(color_scheme="dark")
    seat.open(seat.page.url)
    assert seat.page.locator("html.dark").count() == 1
    seat.picture(f"{name}-dark")
    # The same elements in other colours.
    found += [f"dark: {fault}" for fault in seat.violations("color-contrast")]
    assert found == []
    assert seat.errors == []
