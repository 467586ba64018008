"""A real Chromium against a real server, and a house with a history behind both."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from django.core.management import call_command
from django.db import connections
from django.test import Client

from config.accounts.models import User
from tests.browser.house import House, build
from tests.browser.kept_rows import KeptRows
from tests.factories.gateway import until

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
AXE = HERE / "vendor" / "axe.min.js"
WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 400, "height": 860}
PICTURES = ROOT / "var" / "screenshots"
# A picture takes as long as the page itself, and no test looks at one: docs/take_pictures.py does.
IS_PICTURED = os.environ.get("PICTURES") == "1"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them drive one browser and one house: one worker runs them."""
    for item in items:
        if Path(item.path).parent == HERE:
            item.add_marker(pytest.mark.browser)
            # Makes pytest-django create the database; the house lies outside its transactions.
            item.add_marker(pytest.mark.django_db)
            item.add_marker(pytest.mark.xdist_group("browser"))


def find_chromium() -> str:
    """The browser named by FORMULARY_CHROMIUM, or one on the path; empty where there is none."""
    named = os.environ.get("FORMULARY_CHROMIUM", "")
    if named:
        return named
    for name in ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome"):
        if found := shutil.which(name):
            return found
    return ""


def apart(work: Callable[[], Any]) -> Any:
    """What ``work`` returns, done in a thread of its own with a connection of its own."""

    def do() -> Any:
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(do).result()


@pytest.fixture(scope="package")
def database(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Rows outside of the tests' transactions; each house takes its own away."""
    with django_db_blocker.unblock():
        yield
        if connections["default"].vendor == "postgresql":
            # The server's threads left connections in the pool; the database goes away next.
            connections["default"].close()
            connections["default"].close_pool()


def furnished(furnish: Callable[[], Any]) -> Iterator[Any]:
    """What ``furnish`` builds in the empty database, which is emptied afterwards."""
    _sessions.clear()
    try:
        yield apart(furnish)
    finally:
        apart(lambda: call_command("flush", interactive=False, verbosity=0))


@pytest.fixture(scope="package")
def kept() -> KeptRows:
    """The rows of the house, for the modules after the one that it was built for."""
    return KeptRows(build)


@pytest.fixture(scope="module")
def house(database: None, kept: KeptRows) -> Iterator[House]:
    """Each module finds it as it was built."""
    yield from furnished(kept.furnish)


@pytest.fixture(scope="module")
def server(house: House) -> Iterator[str]:
    """The console under uvicorn, as it runs for people; gives its address."""
    from django.core.asgi import get_asgi_application

    config = uvicorn.Config(
        get_asgi_application(), host="127.0.0.1", port=0, log_level="warning", lifespan="off"
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    until(lambda: running.started or not thread.is_alive(), seconds=60)
    assert running.started, "the server did not start"
    port = running.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join(timeout=10)


@pytest.fixture(scope="package")
def chromium(database: None) -> Iterator[Any]:
    """A started browser; skipped loudly where there is none, and failed in CI.

    Playwright's event loop stays in this thread, and Django's connections are others inside of
    one, so everything that uses the database afterwards goes through ``apart``.
    """
    path = find_chromium()
    if not path:
        said = "NO CHROMIUM FOUND: the browser tests did not run. Set FORMULARY_CHROMIUM."
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(said)
        pytest.skip(said)
    from playwright.sync_api import sync_playwright

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=HERE / "chromium.sh",
            env={**os.environ, "FORMULARY_CHROMIUM": path},
            args=ARGUMENTS,
        )
        yield browser
        browser.close()
        # Connections that were opened inside the loop can only be found, and closed, inside it.
        connections.close_all()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="module")
def window(chromium: Any, server: str) -> Iterator[Any]:
    """One window for all people of a module: another is another process, and loads all anew."""
    context = chromium.new_context(base_url=server, viewport=WIDE, color_scheme="light")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


_sessions: dict[int, str] = {}


def session_of(user: User) -> str:
    """The cookie of a session of this account; one sign-in for all desks of a house."""
    if user.pk not in _sessions:
        _sessions[user.pk] = _sign_in(user)
    return _sessions[user.pk]


def _sign_in(user: User) -> str:
    client = Client()
    client.force_login(user, backend="config.accounts.backends.RoleBackend")
    return client.cookies["sessionid"].value


class Desk:
    """A person at a browser: opens pages, and watches that they are in order."""

    def __init__(self, window: Any, address: str) -> None:
        self.context = window
        self.page = window.new_page()
        self.page.set_default_timeout(15_000)
        self.errors: list[str] = []
        self.address = address
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._asked)

    def seat(self, user: User | None) -> None:
        """Nothing is left of who sat here before: no cookie, nothing stored, no complaint."""
        self.context.clear_cookies()
        if user is not None:
            cookie = apart(lambda: session_of(user))
            self.context.add_cookies([{"name": "sessionid", "value": cookie, "url": self.address}])
        # Over the tools' connection: a page that is to clear it must be opened first.
        tools = self.context.new_cdp_session(self.page)
        what = {"origin": self.address, "storageTypes": "local_storage"}
        tools.send("Storage.clearDataForOrigin", what)
        tools.detach()
        self.errors.clear()

    def _said(self, message: Any) -> None:
        # A page that answers with a refusal's status is what some tests are about.
        is_status = "Failed to load resource" in message.text and "status of 4" in message.text
        if message.type in {"error", "warning"} and not is_status:
            self.errors.append(message.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.errors.append(f"a request left the server: {request.url}")

    def open(self, path: str) -> Any:
        answer = self.page.goto(path)
        self.page.wait_for_selector("main")
        return answer

    def told(self, selector: str = "main") -> str:
        """What the page, or a part of it, says once all of the page is there."""
        self.page.wait_for_load_state()
        return str(self.page.inner_text(selector))

    def overflow_pixels(self) -> int:
        """How far the page can be scrolled sideways."""
        return int(
            self.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
        )

    def picture(self, name: str, *, is_whole: bool = True) -> None:
        """Keep what is seen now, where pictures are asked for."""
        if not IS_PICTURED:
            return
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png", full_page=is_whole)

    def violations(self, *rules: str) -> list[str]:
        """What axe finds against WCAG 2.0 to 2.2, A and AA; with ``rules`` against these alone."""
        # Evaluated and not added as a script tag: the pages' content policy forbids inline script.
        self.page.evaluate(AXE.read_text())
        # Without the resultTypes it describes each element that is in order, too.
        found = self.page.evaluate(
            "(only) => axe.run(document, {runOnly: only, resultTypes: ['violations']})"
            ".then((r) => r.violations)",
            list(rules) or ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
        )
        return [
            f"{rule['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
            for rule in found
            for node in rule["nodes"]
        ]

    def close(self) -> None:
        for page in self.context.pages:
            page.close()


@pytest.fixture
def desk(window: Any, server: str) -> Iterator[Callable[..., Desk]]:
    """Opens desks, one at a time; the last is closed after the test."""
    desks: list[Desk] = []

    def take(user: User | None, *, color_scheme: str = "light", viewport: Any = WIDE) -> Desk:
        for left in desks:
            left.close()
        desks[:] = [Desk(window, server)]
        desks[0].seat(user)
        desks[0].page.set_viewport_size(viewport)
        desks[0].page.emulate_media(color_scheme=color_scheme)
        return desks[0]

    yield take
    for taken in desks:
        taken.close()
