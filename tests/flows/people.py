"""A person with the doors that a person has: a token for programs, a browser, an authenticator."""

from functools import cached_property
from typing import Any

import httpx

from config.accounts.models import Person as Human
from config.accounts.roles import Role
from config.accounts.services import second_factors
from config.core import clock
from config.core.actors import SYSTEM
from tests.factories import accounts

STEP_SECONDS = 30


class Person:
    """One account over HTTP; ``of`` another person's human is his second account."""

    def __init__(self, url: str, *roles: Role, of: Human | None = None) -> None:
        self.url = url
        self.user = accounts.user(*roles, of=of)
        self._secret = second_factors.enrol_totp(user=self.user, actor=SYSTEM)
        self._used_step = 0

    @property
    def human(self) -> Human:
        assert self.user.person is not None
        return self.user.person

    @cached_property
    def api(self) -> httpx.Client:
        """The client of this person's programs."""
        token = accounts.token_text(self.user)
        return httpx.Client(
            base_url=f"{self.url}/api/v1/",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        )

    @cached_property
    def browser(self) -> httpx.Client:
        """Signed in by password and code, as the console asks for."""
        browser = httpx.Client(base_url=self.url, timeout=60, follow_redirects=True)
        browser.get("/accounts/login/")
        form = {"login": self.user.username, "password": accounts.PASSWORD}
        page = self._send(browser, "/accounts/login/", data=form)
        assert "/2fa/" in str(page.url), page.url
        page = self._send(browser, str(page.url), data={"code": self._code()})
        assert "/console/" in str(page.url), page.url
        return browser

    def post(self, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """Something that is done by session and never with a token."""
        return self._send(self.browser, f"/api/v1/{path}", json=body or {})

    def sign(self, request: dict[str, Any], meaning: str) -> httpx.Response:
        """The whole signing act: the record is read, and its hash goes with the proof."""
        path = f"approval-requests/{request['uuid']}"
        seen = self.browser.get(f"/api/v1/{path}").json()
        return self.post(
            f"{path}/sign",
            {
                "meaning": meaning,
                "record_sha256": seen["record_sha256"],
                "username": self.user.username,
                "password": accounts.PASSWORD,
                "code": self._code(),
                "has_read": True,
            },
        )

    def _code(self) -> str:
        """A code that was not used: of now, else of the step to come, which counts already."""
        # One moment for both: else the step could change in between.
        with clock.frozen_at(clock.now()):
            now = int(clock.now().timestamp()) // STEP_SECONDS
            self._used_step = max(now, self._used_step + 1)
            assert self._used_step <= now + 1, "two codes in 30 s: let another person do it"
            return second_factors.totp_code(self._secret, step=self._used_step - now)

    def _send(self, browser: httpx.Client, path: str, **values: Any) -> httpx.Response:
        token = browser.cookies.get("csrftoken") or ""
        if "data" in values:
            values["data"] = {**values["data"], "csrfmiddlewaretoken": token}
        head = {"Referer": self.url, "X-CSRFToken": token}
        return browser.post(path, headers=head, **values)


def done(response: httpx.Response) -> dict[str, Any]:
    """The body of an answer that says that it was done."""
    assert response.status_code in {200, 201, 202}, (response.status_code, response.text)
    return dict(response.json())


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem that a refusal tells."""
    assert (response.status_code, response.json().get("code")) == (status, code), response.text
    return dict(response.json())
