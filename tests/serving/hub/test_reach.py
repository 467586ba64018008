"""The console: who has a version, told on its page and before it is stopped."""

import pytest
from django.test import Client
from django.urls import reverse

from compliance.services import stops
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from tests.factories import accounts, hub
from tests.factories.hub import Repository


@pytest.fixture
def desk(repo: Repository) -> Client:
    made = Client()
    made.force_login(accounts.user(Role.COMPLIANCE_OFFICER))
    return made


def _shown(desk: Client, repo: Repository) -> str:
    return desk.get(reverse("admin:version", args=[repo.v2.uuid])).content.decode()


def test_the_page_of_a_version_names_who_pulled_it(
    client: Client, desk: Client, repo: Repository
) -> None:
    before = _shown(desk, repo)
    assert "nobody pulled it from the Hub endpoint" in before
    assert "copies at" not in before
    for _ in range(2):
        client.get(repo.url(), headers={"user-agent": "vllm; hf_hub/2.4.0"})
    other = accounts.user(Role.ML_ENGINEER)
    hub.client_with(accounts.token_text(other)).get(repo.url(revision="v1"))
    shown = _shown(desk, repo)
    assert repo.reader.username in shown
    assert "vllm; hf_hub/2.4.0" in shown
    assert other.username not in shown, "that account pulled another version"
    assert "0 requests in flight, copies at 1 account" in shown


def test_after_a_stop_the_page_says_that_copies_remain(
    client: Client, desk: Client, repo: Repository
) -> None:
    client.get(repo.url())
    officer = accounts.user(Role.COMPLIANCE_OFFICER)
    stops.issue(digest=repo.v2.digest, reason="a", user=officer, actor=actor_of(officer))
    shown = _shown(desk, repo)
    assert "A stop does not delete copies" in shown
    assert repo.reader.username in shown
