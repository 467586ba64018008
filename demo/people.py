"""The demo's four invented people, each with the doors that such a person has."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pyotp

from .telling import say

TOTP_STEP_SECONDS = 30
PATIENCE_SECONDS = 240.0


class DemoFailed(RuntimeError):
    """The main job went another way than it must; the text says where."""


@dataclass
class Person:
    """One demo person: a token for programs, a password and an authenticator for signing."""

    printed_name: str
    username: str
    password: str
    totp_secret: str
    token: str
    url: str
    api: httpx.Client = field(init=False)
    browser: httpx.Client | None = None
    _used_step: int = 0

    def __post_init__(self) -> None:
        """Open the client of this person's programs."""
        self.api = httpx.Client(
            base_url=f"{self.url}/api/v1",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=60.0,
        )

    def call(self, method: str, path: str, *, expect: tuple[int, ...] = (200, 201, 202), **kw: Any):
        """One request; anything but an expected status ends the demo with the problem's words."""
        answer = self.api.request(method, path, **kw)
        if answer.status_code not in expect:
            raise DemoFailed(
                f"{self.printed_name}: {method} {path} answered {answer.status_code}: "
                f"{answer.text[:1500]}"
            )
        return answer.json() if answer.content else None

    def code(self) -> str:
        """A fresh code of the authenticator; a code counts once, so we wait for the next."""
        step = int(time.time()) // TOTP_STEP_SECONDS
        if step <= self._used_step:
            wait = (self._used_step + 1) * TOTP_STEP_SECONDS - time.time() + 0.1
            say(f"{self.printed_name} waits {wait:.0f} s for the authenticator's next code.")
            time.sleep(wait)
            step = int(time.time()) // TOTP_STEP_SECONDS
        self._used_step = step
        return pyotp.TOTP(self.totp_secret).at(step * TOTP_STEP_SECONDS)

    def sign_in(self) -> httpx.Client:
        """Sign in as a browser does: password, then the authenticator's code."""
        if self.browser is not None:
            return self.browser
        browser = httpx.Client(base_url=self.url, timeout=60.0, follow_redirects=True)
        browser.get("/accounts/login/")
        page = self._post(browser, "/accounts/login/", login=self.username, password=self.password)
        if "/2fa/" not in str(page.url):
            raise DemoFailed(f"{self.printed_name} could not sign in: landed on {page.url}")
        page = self._post(browser, str(page.url), code=self.code())
        if "/console/" not in str(page.url):
            raise DemoFailed(f"{self.printed_name}'s code was refused: landed on {page.url}")
        self.browser = browser
        return browser

    def _post(self, browser: httpx.Client, path: str, **data: str) -> httpx.Response:
        token = browser.cookies.get("csrftoken") or ""
        return browser.post(
            path,
            data={**data, "csrfmiddlewaretoken": token},
            headers={"Referer": self.url, "X-CSRFToken": token},
        )

    def sign(self, request: dict[str, Any], meaning: str) -> dict[str, Any]:
        """Read the frozen record and sign it, with password and second factor."""
        browser = self.sign_in()
        seen = browser.get(f"/api/v1/approval-requests/{request['uuid']}").json()
        answer = browser.post(
            f"/api/v1/approval-requests/{request['uuid']}/sign",
            json={
                "meaning": meaning,
                "record_sha256": seen["record_sha256"],
                "username": self.username,
                "password": self.password,
                "code": self.code(),
                "has_read": True,
            },
            headers={"X-CSRFToken": browser.cookies.get("csrftoken") or "", "Referer": self.url},
        )
        if answer.status_code not in {200, 201}:
            raise DemoFailed(
                f"{self.printed_name} could not sign ({answer.status_code}): {answer.text[:1500]}"
            )
        return dict(answer.json())


def wait_for(
    look: Callable[[], Any], what: str, *, patience_seconds: float = PATIENCE_SECONDS
) -> Any:
    """Look again and again until there is something to see.

    Raises:
        DemoFailed: nothing came within ``patience_seconds``.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise DemoFailed(f"Waited {patience_seconds:.0f} s for {what}, and it did not come.")
        time.sleep(0.3)
