"""The playground in a browser: both answer, one stop for both, a report in two clicks."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from config.accounts.models import User
from config.core import keys
from serving.models import Answer, Feedback
from tests.factories import accounts
from tests.factories.playground import Lab, lab

from .conftest import NARROW, apart, furnished

PATH = "/console/playground/"
NOTE = "Old man, chest pain since this morning"


@pytest.fixture(scope="module")
def people(database: None) -> Iterator[list[User]]:
    yield from furnished(lambda: [accounts.engineer(username="ada")])


@pytest.fixture(scope="module")
def room(people: list[User], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab"), people[0], token_latency_ms=60) as made:
        yield made


@pytest.fixture(scope="module")
def server(room: Lab) -> str:
    """In the place of the house's: the application with its data plane."""
    return room.url


def _side(page: Any, name: str) -> Any:
    return page.locator(f"[data-side={name}]")


def test_both_answer_side_by_side_in_every_look(room: Lab, desk: Callable[..., Any]) -> None:
    for look, options in {
        "light": {"color_scheme": "light"},
        "dark": {"color_scheme": "dark"},
    }.items():
        seat = desk(room.person, **options)
        seat.open(PATH)
        page = seat.page
        page.fill("#text", NOTE)
        page.keyboard.press("Control+Enter")
        page.wait_for_function(
            "document.querySelectorAll('[data-part=open-report]:not([disabled])').length == 2"
        )
        assert _side(page, "stable").locator(".fm-answer").inner_text().startswith("amber")
        assert "word39" in _side(page, "canary").locator(".fm-answer").inner_text()
        assert "tokens a second" in _side(page, "canary").inner_text()
        assert room.candidate.runtime_name in _side(page, "canary").inner_text()
        assert "has answered" in page.locator("#playground-said").inner_text()
        assert NOTE.split(",")[0].replace(" ", "+") not in page.url
        seat.picture(f"playground-{look}")
        assert seat.violations() == []
        # Whoever makes the window narrow keeps the answers.
        page.set_viewport_size(NARROW)
        assert seat.overflow_pixels() <= 0
        seat.picture(f"playground-narrow-{look}")
        assert seat.errors == []
    assert apart(Answer.objects.count) == 0


def test_stop_ends_both_by_the_keyboard(room: Lab, desk: Callable[..., Any]) -> None:
    seat = desk(room.person)
    seat.open(PATH)
    page = seat.page
    page.fill("#text", NOTE)
    page.focus("#ask")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "document.querySelector('[data-side=canary] .fm-answer').textContent.includes('word')"
    )
    page.keyboard.press("Escape")
    page.wait_for_selector("[data-side=canary] >> text=stopped by you")
    assert "word39" not in _side(page, "canary").inner_text()
    assert "Both answers ended" in page.locator("#playground-said").inner_text()
    assert page.locator("#ask").is_enabled()
    assert page.locator("#stop").is_disabled()
    assert seat.errors == []


def test_a_report_takes_two_clicks(room: Lab, desk: Callable[..., Any]) -> None:
    seat = desk(room.person)
    seat.open(PATH)
    page = seat.page
    page.fill("#text", NOTE)
    page.click("#ask")
    stable = _side(page, "stable")
    stable.locator("[data-part=open-report]:not([disabled])").click()
    seat.picture("playground-report-light")
    stable.locator("button:has-text('Send the report')").click()
    page.wait_for_selector("[data-side=stable] >> text=Reported. Thank you.")
    row = apart(lambda: Feedback.objects.get(arm="stable"))
    assert (row.category, row.text_encrypted) == ("wrong", None)
    canary = _side(page, "canary")
    canary.locator("[data-part=open-report]:not([disabled])").click()
    canary.locator("input[name=keep]").check()
    canary.locator("button:has-text('Send the report')").click()
    page.wait_for_selector("[data-side=canary] >> text=Reported. Thank you.")
    row = apart(lambda: Feedback.objects.get(arm="canary"))
    assert json.loads(keys.decrypt(bytes(row.text_encrypted)))["prompt"] == NOTE
    assert seat.errors == []
