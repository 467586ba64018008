"""The download ledger: who was given which bytes, and what the audit trail keeps of it."""

from datetime import timedelta

import pytest
from django.test import Client

from compliance.models import AuditEvent, Permission
from config.accounts.roles import Role
from config.core import clock
from serving.hub.ledger import ACTION
from serving.models import Download
from serving.selectors.downloads import holders_of
from tests.factories import accounts, hub
from tests.factories.hub import CONFIG, WEIGHTS, Repository

AGENT = "unknown/None; hf_hub/2.4.0; python/3.11"


def test_weights_are_written_down_before_they_go_out(client: Client, repo: Repository) -> None:
    answer = client.get(repo.url(), headers={"user-agent": AGENT})
    row = Download.objects.get()
    assert answer.streaming and row.pk, "the row is there and no byte has been read"
    assert (row.account, row.version, row.digest) == (repo.reader, repo.v2, repo.v2.digest)
    assert (row.path, row.sha256) == (WEIGHTS, hub.digests_of(repo.v2)[WEIGHTS])
    assert (row.first_byte, row.size_bytes) == (0, int(answer["Content-Length"]))
    assert (row.token_name, row.user_agent) == ("test", AGENT)
    client.get(repo.url(), headers={"range": "bytes=9-12"})
    part = Download.objects.latest("pk")
    assert (part.first_byte, part.size_bytes) == (9, 4)


def test_only_what_counts_is_a_row(client: Client, repo: Repository) -> None:
    client.head(repo.url())
    client.head(repo.url(), headers={"x-hf-download-counter": "1"})
    client.get(repo.url(CONFIG))
    client.get(repo.api())
    client.get(repo.url("optimizer.bin"))
    client.get(repo.url(revision="v3"))
    assert not Download.objects.exists()
    client.get(repo.url(CONFIG), headers={"x-hf-download-counter": "1"})
    assert Download.objects.get().path == CONFIG


@pytest.mark.parametrize("agent", ["x" * 5000, "a\x00b"], ids=["long", "nul"])
def test_an_odd_user_agent_is_bounded(client: Client, repo: Repository, agent: str) -> None:
    assert client.get(repo.url(), headers={"user-agent": agent}).status_code == 200
    assert len(Download.objects.get().user_agent) <= 200


def test_the_trail_gets_one_event_a_day_for_an_account_and_a_version(
    client: Client, repo: Repository
) -> None:
    events = AuditEvent.objects.filter(action=ACTION)
    noon = clock.now().replace(hour=12)
    with clock.frozen_at(noon):
        Permission.objects.update(renewed_at=clock.now())
        for _ in range(3):
            client.get(repo.url())
        assert events.count() == 1
        client.get(repo.url(revision="v1"))
        assert events.count() == 2
    with clock.frozen_at(noon + timedelta(days=1)):
        Permission.objects.update(renewed_at=clock.now())
        client.get(repo.url())
    assert events.count() == 3
    assert Download.objects.count() == 5
    event = events.earliest("pk")
    assert (event.actor_name, event.object_id) == (repo.reader.username, str(repo.v2.uuid))
    assert repo.v2.digest in event.body


def test_the_holders_of_a_digest(client: Client, repo: Repository) -> None:
    agent = accounts.user(Role.ML_ENGINEER)
    other = hub.client_with(accounts.token_text(agent))
    client.get(repo.url(), headers={"user-agent": "first"})
    client.get(repo.url(), headers={"user-agent": "second"})
    other.get(repo.url(revision=repo.v2.commit_id))
    other.get(repo.url(revision="v1"))
    texts = accounts.token_text(accounts.user(Role.REVIEWER))
    hub.client_with(texts).get(repo.url(CONFIG), headers={"x-hf-download-counter": "1"})
    found = holders_of(repo.v2.digest)
    assert [(row.username, row.count) for row in found] == [
        (agent.username, 1),
        (repo.reader.username, 2),
    ]
    assert found[1].user_agent == "second"
    assert found[1].first_at < found[1].last_at
    assert client.get(repo.api()).json()["downloads"] == 5
