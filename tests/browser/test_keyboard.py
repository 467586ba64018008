"""With the keyboard alone: a signature in under ten actions, and every control can be reached."""

from collections.abc import Callable
from typing import Any

from compliance.models import Signature
from tests.factories import accounts, console

from .conftest import apart
from .house import House, wake

# What Tab stops at, as far as it is shown; of a group of radio buttons it stops at one.
STOPS = """() => [...document.querySelectorAll(
  'a[href], button:not([disabled]), input:not([type=hidden]):not([disabled]),' +
  'select:not([disabled]), textarea:not([disabled]), summary, [tabindex="0"]')]
  .filter((it) => it.checkVisibility({visibilityProperty: true}) && it.tabIndex >= 0).length"""
IS_SEEN = """() => {
  const it = document.activeElement, style = getComputedStyle(it);
  return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
}"""


class Keys:
    """A keyboard that counts: one chord is an action, and so is one field typed."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.actions = 0

    def press(self, chord: str) -> None:
        self.actions += 1
        self.page.keyboard.press(chord)

    def write(self, text: str) -> None:
        self.actions += 1
        self.page.keyboard.type(text)

    def focused(self) -> str:
        return str(self.page.evaluate("document.activeElement.id"))


def test_a_signature_in_under_ten_actions(house: House, desk: Callable[..., Any]) -> None:
    apart(lambda: wake(house))
    seat = desk(house.world.reviewer)
    page, keys = seat.page, Keys(seat.page)
    seat.open("/console/")
    keys.press("Alt+n")
    page.wait_for_url(f"**/approval-requests/{house.request.uuid}/sign/")
    page.wait_for_selector("#has_read")
    keys.press("Alt+r")
    assert page.is_checked("#has_read")
    code = apart(lambda: console.second_factors.totp_code(house.world.secrets["ben"], step=1))
    for field, text in (("username", "ben"), ("password", accounts.PASSWORD), ("code", code)):
        keys.press("Tab")
        assert keys.focused() == field
        assert page.evaluate(IS_SEEN)
        keys.write(text)
    keys.press("Enter")
    page.wait_for_selector("text=You have signed.")
    assert keys.actions < 10
    assert apart(lambda: Signature.objects.filter(request=house.request).count()) == 1
    assert seat.errors == []


def test_a_page_says_how_to_skip_to_what_it_is_for(house: House, desk: Callable[..., Any]) -> None:
    seat = desk(house.world.clinician)
    page = seat.page
    seat.open(f"/console/approval-requests/{house.request.uuid}/sign/")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the signature"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "has_read"


def test_tab_reaches_every_control_and_leaves_again(house: House, desk: Callable[..., Any]) -> None:
    seat = desk(house.world.operator)
    page = seat.page
    seat.open("/console/deployments/triage/")
    for fold in page.locator("main summary").all():
        fold.focus()
        page.keyboard.press("Enter")
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    page.evaluate("document.querySelector('.fm-skip').focus()")
    wanted, reached, hidden = page.evaluate(STOPS), 1, []
    for _ in range(wanted + 20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
        reached += 1
        if not page.evaluate(IS_SEEN):
            hidden.append(page.evaluate("document.activeElement.outerHTML.slice(0, 120)"))
    assert hidden == []
    assert reached >= wanted
    assert page.evaluate("document.activeElement === document.body")
