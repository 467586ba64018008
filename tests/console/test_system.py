"""The page System: what is healthy, in words; what matters of the settings, and never a secret."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.db import connection

from config.core import broker, clock
from serving.health import measuring
from serving.services import heartbeats
from serving.services.alerting import Watch
from tests.factories import console, health

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("empty_broker"),
]
SECRETS = {
    "SECRET_KEY": "a-signing-key-that-nobody-may-see-0123456789abcdef",
    "METRICS_TOKEN": "a-token-of-prometheus-that-nobody-may-see",
    "FORMULARY_ADMIN_PASSWORD": "the-first-administrators-password",
}


@pytest.fixture(autouse=True)
def measured_anew(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with health.measured_anew():
        yield


def _text(answer) -> str:
    assert answer.status_code == 200
    return answer.content.decode().replace("&#x27;", "'")


def test_a_healthy_house_is_said_to_be_healthy(world, as_user, settings):
    console.node(world)
    heartbeats.beat(name=heartbeats.CONTROL, duties={"seal": clock.now()})
    for name, queues in (
        ("rollouts@h", ["control"]), ("worker@h", ["checks", "evaluations"]),
        ("courier@h", ["deliveries"]), ("trainer@h", ["training"]),
        ("agent@h", ["node.node-1"]), ("beat", []),
    ):  # fmt: skip
        broker.sign(name, queues=queues)
    text = _text(as_user(world.operator).get("/console/system/"))
    assert "All parts are in order, and no alert is open." in text
    assert "has the newest" in text
    assert "control: seal" in text
    assert "takes checks, evaluations" in text
    assert settings.APP_VERSION in text
    assert "up to date (" in text
    assert "nobody" not in text


def test_what_is_wrong_comes_with_what_to_do(world, as_user):
    console.node(world, seen_seconds_ago=90)
    Watch().look()
    heartbeats.beat(name=heartbeats.CONTROL, duties={})
    broker._client(_redis_url()).delete(
        *(f"{broker.ALIVE}{name}" for name in (*broker.signs(), "nobody"))
    )
    text = _text(as_user(world.operator).get("/console/system/"))
    assert "Workers, Courier, Beat and Nodes are not in order, and 1 alert is open." in text
    assert "The node node-1 does not answer." in text
    assert "/docs/runbooks/node-down" in text
    assert "0 of 1 answer" in text
    assert "nobody takes checks, control, evaluations, node.node-1" in text


def test_alerts_that_are_over_stay_in_sight_for_a_day(world, as_user):
    node = console.node(world, seen_seconds_ago=90)
    Watch().look()
    node.__class__.objects.update(last_seen_at=clock.now())
    Watch().look()
    text = _text(as_user(world.operator).get("/console/system/"))
    assert "Alerts of the last day that are over" in text
    with clock.frozen_at(clock.now() + timedelta(days=1, minutes=1)):
        measuring.forget()
        text = _text(as_user(world.operator).get("/console/system/"))
    assert "Alerts of the last day that are over" not in text


def test_no_secret_is_shown(world, as_user, settings):
    console.node(world)
    for key, value in SECRETS.items():
        setattr(settings, key, value)
    settings.SECRET_KEY_FALLBACKS = []
    client = as_user(world.operator)  # after the key: sessions are signed with it
    text = _text(client.get("/console/system/"))
    assert "METRICS_TOKEN" in text and ">set<" in text
    hidden = [*SECRETS.values(), str(connection.settings_dict["PASSWORD"]), "secret"]
    hidden += [value for value in (urlsplit(_redis_url()).password,) if value]
    assert all(value for value in hidden)
    shown = text.replace("secrets are not shown", "")
    for value in hidden:
        assert value not in shown


def test_the_page_says_so_where_redis_is_away(world, as_user, settings):
    settings.REDIS_URL = "redis://:unknown-word@127.0.0.1:1/0"
    text = _text(as_user(world.operator).get("/console/system/"))
    assert "Queues can't be seen." in text
    assert "out of order" in text
    assert "unknown-word" not in text


def _redis_url() -> str:
    from django.conf import settings

    return str(settings.REDIS_URL)
