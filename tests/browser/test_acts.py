"""The main act of each page, by mouse and keyboard in a real browser."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyotp
import pytest

from compliance.models import ApprovalRequest, EvaluationRun, Signature, Stop
from registry.models import Hold, TrainingFile, Version
from serving.models import Rollout
from tests.factories import accounts, console, registry

from .conftest import apart
from .house import House, wake

# Whether the second press sends the form, too.
PRESS_TWICE = """() => {
  const form = document.querySelector('#has_read').form;
  form.requestSubmit(form.querySelector('button[value=sign]'));
  return form.dispatchEvent(new SubmitEvent('submit', {bubbles: true, cancelable: true}));
}"""


def code_of(house: House, username: str, *, after: float = 0.0) -> str:
    """A code that this account has not used yet."""
    return apart(
        lambda: console.second_factors.totp_code(house.world.secrets[username], step=int(after))
    )


def test_sign_in_with_password_and_code(house: House, desk: Callable[..., Any]) -> None:
    seat = desk(None)
    page = seat.page
    answer = seat.open("/console/nodes/")
    assert "/accounts/login/" in page.url
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy, policy
    seat.picture("sign-in-light")
    assert seat.violations() == []
    page.fill("#id_login", "eve")
    page.fill("#id_password", accounts.PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/2fa/**")
    seat.picture("sign-in-code-light")
    assert seat.violations() == []
    page.fill("#id_code", pyotp.TOTP(house.world.secrets["eve"]).now())
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/nodes/")
    assert seat.errors == []


def test_second_factor_is_set_up_with_a_picture(house: House, desk: Callable[..., Any]) -> None:
    newcomer = apart(lambda: accounts.engineer(username="newcomer"))
    seat = desk(newcomer)
    page = seat.page
    page.goto("/accounts/2fa/totp/activate/")
    if "reauthenticate" in page.url:
        page.fill("#id_password", accounts.PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_url("**/totp/activate/**")
    seat.picture("second-factor-light")
    assert seat.violations() == []
    assert page.locator("img").evaluate("(image) => image.naturalWidth") > 50
    page.fill("#id_code", pyotp.TOTP(page.input_value("#authenticator_secret")).now())
    page.click("button:has-text('Confirm the code')")
    page.wait_for_url(re.compile(r"/2fa/(?!totp)"))
    assert seat.errors == []


def test_today_leads_to_what_waits(house: House, desk: Callable[..., Any]) -> None:
    seat = desk(house.world.reviewer)
    seat.open("/console/")
    seat.page.click("text=Triage assistant v6: reviewed")
    seat.page.wait_for_selector("h1:has-text('Reviewed – technical')")
    assert seat.errors == []


def test_signing_shows_the_manifestation(house: House, desk: Callable[..., Any]) -> None:
    seat = desk(house.world.reviewer)
    page = seat.page
    path = f"/console/approval-requests/{house.request.uuid}/sign/"
    seat.open(path)
    second_tab = seat.context.new_page()
    second_tab.goto(path)
    assert page.input_value("#username") == ""
    page.check("#has_read")
    page.fill("#username", "ben")
    page.fill("#password", "not the password")
    page.fill("#code", "000000")
    page.click("button[value=sign]")
    page.wait_for_selector("#refusal")
    assert "did not prove who you are" in seat.told("#refusal")
    assert page.input_value("#password") == ""
    page.check("#has_read")
    page.fill("#username", "ben")
    page.fill("#password", accounts.PASSWORD)
    page.fill("#code", code_of(house, "ben", after=1))
    page.dblclick("button[value=sign]")
    page.wait_for_selector("text=You have signed.")
    assert "signed electronically by Ben Example" in seat.told()
    page.emulate_media(media="print")
    seat.picture("signing-print")
    assert not page.locator(".fm-side").is_visible()
    second_tab.check("#has_read")
    second_tab.fill("#username", "ben")
    second_tab.fill("#password", accounts.PASSWORD)
    second_tab.fill("#code", "000000")
    # Who presses once more is kept from it: another proof would be refused beside the first.
    assert second_tab.evaluate(PRESS_TWICE) is False
    second_tab.wait_for_selector("text=has given this signature already")
    second_tab.wait_for_load_state()
    told = second_tab.inner_text("main")
    assert "Ben Example has given this signature already." in told
    assert "You have signed." in told
    assert apart(lambda: Signature.objects.filter(request=house.request).count()) == 1
    assert seat.errors == []


def test_an_author_is_told_why_and_who_could(house: House, desk: Callable[..., Any]) -> None:
    seat = desk(house.world.engineer)
    seat.open(f"/console/approval-requests/{house.request.uuid}/sign/")
    text = seat.page.inner_text("main")
    assert "Ada Example owns the adapter and can't sign it." in text
    assert seat.page.locator("#password").count() == 0


def test_upload_of_a_zip_and_what_is_refused(
    house: House, desk: Callable[..., Any], tmp_path: Path
) -> None:
    seat = desk(house.world.engineer)
    page = seat.page
    seat.open("/console/adapters/triage/#upload")
    broken = tmp_path / "broken.zip"
    broken.write_bytes(registry.zip_of({"readme.txt": b"no adapter"}))
    page.set_input_files("#archive", broken)
    page.click("#upload-form button:has-text('Upload')")
    page.wait_for_selector("#upload-refusal:not([hidden])")
    assert "adapter_config.json" in page.inner_text("#upload-refusal")
    seat.picture("upload-refused-light")
    good = tmp_path / "good.zip"
    good.write_bytes(registry.zip_of(registry.package(rank=8, seed=4711)))
    page.set_input_files("#archive", good)
    page.fill("#version_name", "v7")
    page.click("#upload-form button:has-text('Upload')")
    page.wait_for_url("**/console/versions/**")
    assert "The package is being checked" in page.inner_text("main")
    assert apart(lambda: Version.objects.filter(version_name="v7").count()) == 1
    assert seat.errors == []


def test_upload_of_a_folder(house: House, desk: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "v8"
    folder.mkdir()
    for path, data in registry.package(rank=8, seed=4712).items():
        (folder / path).write_bytes(data)
    seat = desk(house.world.engineer)
    page = seat.page
    seat.open("/console/adapters/triage/#upload")
    page.set_input_files("#folder", folder)
    page.wait_for_selector("#chosen:has-text('2 files')")
    page.click("#upload-form button:has-text('Upload')")
    page.wait_for_url("**/console/versions/**")
    assert seat.errors == []


def test_version_requests_an_evaluation(house: House, desk: Callable[..., Any]) -> None:
    seat = desk(house.world.engineer)
    page = seat.page
    seat.open(f"/console/versions/{house.v3.uuid}/")
    page.select_option("#evaluation_set", label="children 1 (60 cases)")
    page.click("button:has-text('Request an evaluation')")
    page.wait_for_selector("text=children 1 will be run through this version")
    runs = apart(lambda: EvaluationRun.objects.filter(version=house.v3, state="waiting").count())
    assert runs == 1
    assert seat.errors == []


def test_stop_everywhere_says_what_it_touches(house: House, desk: Callable[..., Any]) -> None:
    seat = desk(house.world.operator)
    page = seat.page
    seat.open(f"/console/versions/{house.v4.uuid}/")
    page.click("summary:has-text('Stop everywhere')")
    assert "0 nodes, 0 deployments, 0 requests in flight" in page.inner_text("main")
    page.fill("#reason", "It breaks the agreed form.")
    page.click("button:has-text('Stop everywhere')")
    page.wait_for_selector("text=Two people can release it.")
    assert "Stopped everywhere." in seat.told()
    assert apart(lambda: Stop.objects.filter(digest=house.v4.digest).count()) == 1
    seat.picture("version-stopped-light")
    assert seat.errors == []


def test_a_hold_is_placed_and_released_by_mouse(house: House, desk: Callable[..., Any]) -> None:
    seat = desk(house.world.officer)
    page = seat.page
    seat.open("/console/holds/")
    page.fill("#what", "triage@v4")
    page.fill("#matter", "Case of the long notes")
    page.fill("#place-reason", "It broke the agreed form.")
    page.click("button[value=place]")
    page.wait_for_selector("text=2 files are held.")
    seat.open("/console/holds/?q=long+notes")
    assert page.locator("input[name=hold]").count() == 2
    page.locator("input[name=hold]").first.check()
    page.click("summary:has-text('Release the chosen')")
    page.fill("#release-reason", "The first file told enough.")
    page.click("button[value=release]")
    page.wait_for_selector("text=1 hold is released.")
    standing = Hold.objects.filter(matter="Case of the long notes", released_at=None)
    assert apart(standing.count) == 1
    assert seat.errors == []


def test_an_avatar_gets_a_text_that_is_left_out_again(
    house: House, desk: Callable[..., Any], tmp_path: Path
) -> None:
    text = tmp_path / "handover.txt"
    text.write_text("Invented handover of the night desk.")
    seat = desk(house.world.engineer)
    page = seat.page
    seat.open("/console/avatars/night-desk/")
    page.set_input_files("#files", text)
    page.click("button[value=upload]")
    page.wait_for_selector("text=1 file is stored")
    page.click("button[aria-label='Leave handover.txt out']")
    page.wait_for_selector("text=That file is not trained with any more.")
    page.click("summary[aria-label='Delete handover.txt …']")
    page.click("button[aria-label='Delete handover.txt']")
    page.wait_for_selector("text=nobody can open that text any more")
    assert not apart(TrainingFile.objects.filter(name="handover.txt").exists)
    assert seat.errors == []


def test_rollout_moves_without_reload(house: House, desk: Callable[..., Any]) -> None:
    seat = desk(house.world.operator)
    page = seat.page
    seat.open(f"/console/rollouts/{house.running.uuid}/")
    page.evaluate("window.isSamePage = true")
    page.fill("#reason", "typed before the change")
    apart(lambda: Rollout.objects.filter(pk=house.running.pk).update(weight_percent=50, stage=2))
    page.wait_for_selector("#live:has-text('50 % of the requests')")
    assert page.evaluate("window.isSamePage") is True
    assert page.input_value("#reason") == "typed before the change"
    # The first change may have come with the first of the news, which is no change to be told.
    apart(lambda: Rollout.objects.filter(pk=house.running.pk).update(weight_percent=80, stage=3))
    page.wait_for_function("document.getElementById('announce').textContent.includes('80 %')")
    page.fill("#reason", "A nurse reports odd answers.")
    page.click("button[value=pause]")
    page.wait_for_selector("text=The share of requests stays as it is.")
    state = apart(lambda: Rollout.objects.get(pk=house.running.pk).state)
    assert state == "paused"
    assert page.locator("button[value=pause]").is_disabled()
    assert page.locator("button[value=resume]").is_enabled()
    assert seat.errors == []


def test_audit_filters_verifies_and_exports(house: House, desk: Callable[..., Any]) -> None:
    apart(lambda: wake(house))
    seat = desk(house.world.operator)
    page = seat.page
    seat.open("/console/audit/")
    page.select_option("#action", "signature.created")
    page.click("button:has-text('Show')")
    page.wait_for_url("**action=signature.created**")
    assert "signed a record" in page.inner_text("main")
    assert "signed in" not in page.inner_text(".fm-events")
    page.click("button:has-text('Verify now')")
    page.wait_for_selector("#report")
    assert "in order" in seat.told("#report")
    with page.expect_download() as download:
        page.click("text=CSV")
    text = Path(download.value.path()).read_text()
    assert text.startswith("sequence,at,actor,action")
    assert "signature.created" in text
    assert seat.errors == []


def test_keyboard_reaches_the_content_first(house: House, desk: Callable[..., Any]) -> None:
    seat = desk(house.world.operator, viewport={"width": 400, "height": 860})
    page = seat.page
    seat.open("/console/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#fm-side.is-open")
    page.wait_for_selector("a.is-here:visible")
    seat.picture("menu-narrow")
    assert seat.violations() == []


def test_appearance_is_chosen_and_kept(house: House, desk: Callable[..., Any]) -> None:
    seat = desk(house.world.operator)
    page = seat.page
    seat.open("/console/")
    page.click("button[aria-label=Dark]")
    page.wait_for_selector("html.dark")
    page.reload()
    page.wait_for_selector("html.dark")
    page.wait_for_selector("button[aria-label=Dark][aria-pressed=true]")


def test_digest_is_copied_whole(house: House, desk: Callable[..., Any]) -> None:
    seat = desk(house.world.engineer)
    page = seat.page
    seat.open(f"/console/versions/{house.v2.uuid}/")
    page.click(f"button[data-copy='{house.v2.digest}']")
    page.wait_for_function(
        "(digest) => navigator.clipboard.readText().then((text) => text === digest)",
        arg=house.v2.digest,
    )


@pytest.mark.parametrize("path", ["/", "/admin/"])
def test_old_addresses_lead_to_the_console(
    house: House, desk: Callable[..., Any], path: str
) -> None:
    seat = desk(house.world.operator)
    seat.open(path)
    assert seat.page.url.endswith("/console/")
    assert apart(lambda: ApprovalRequest.objects.count()) >= 1
