"""Health: measured and not said, in the checklist's shape, in time, and telling nobody too much."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from compliance.services import sealing, stops
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.core import broker, clock
from serving.domain.health import Component, Status, overall
from serving.health import measuring
from serving.models import Node
from serving.services import heartbeats
from serving.services.alerting import Watch
from tests.architecture.environment import ROOT
from tests.factories import accounts, console
from tests.factories.health import PATIENCE_SECONDS
from tests.observing.freezer import wire

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("empty_broker"),
]
PARTS = {
    "database", "manager", "storage", "redis", "queues", "workers", "trainer", "courier", "beat",
    "control", "sealer", "nodes",
}  # fmt: skip


def _ask(path: str = "/api/v1/health", *, role: Role | None = Role.OPERATOR) -> tuple[int, dict]:
    measuring.forget()
    headers = {}
    if role is not None:
        headers["Authorization"] = f"Bearer {accounts.token_text(accounts.user(role))}"
    answer = Client().get(path, headers=headers)
    return answer.status_code, answer.json()


def _living(world: console.World) -> None:
    """Everybody signs that he lives, as the processes do."""
    heartbeats.beat(name=heartbeats.CONTROL, duties={"seal": clock.now()})
    for name, queues in (
        ("rollouts@h", ["control"]), ("worker@h", ["checks", "evaluations"]),
        ("courier@h", ["deliveries"]), ("trainer@h", ["training"]),
        ("agent@h", ["node.node-1"]), ("beat", []),
    ):  # fmt: skip
        broker.sign(name, queues=queues)


def test_a_healthy_house_has_the_shape_of_the_checklist_M93_M94_M95() -> None:
    world = console.world()
    node = console.node(world)
    console.replica(node, console.version(world, name="v1", checked=False))
    sealing.seal_pending()
    _living(world)
    status, body = _ask()
    assert status == 200
    assert body["overall_health"] == body["system_health"] == "healthy", body
    assert body["state"] == "ready"
    assert body["active_adapters"] == 1
    assert set(body["components"]) == PARTS
    assert all(part["status"] == "healthy" for part in body["components"].values()), body
    for name in ("database", "redis", "storage"):
        assert 0 < body["components"][name]["latency_ms"] < 1000 * PATIENCE_SECONDS
    rss_mb = body["components"]["manager"]["memory_usage"]["rss_mb"]
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    assert rss_mb == pytest.approx(pages * os.sysconf("SC_PAGESIZE") / 1024**2, rel=0.2)
    assert body["memory_usage_mb"] == pytest.approx(rss_mb + 1_480_000_000 / 1024**2, abs=0.2)
    assert body["alerts"] == []


def test_each_part_is_really_measured(settings) -> None:
    world = console.world()
    console.node(world)
    _living(world)

    def states() -> dict[str, str]:
        return {name: part["status"] for name, part in _ask()[1]["components"].items()}

    Node.objects.update(last_seen_at=clock.now() - timedelta(minutes=1))
    assert states()["nodes"] == "unhealthy"
    with clock.frozen_at(clock.now() - timedelta(seconds=20)):
        heartbeats.beat(name=heartbeats.CONTROL, duties={})
        stops.issue(
            digest="a" * 64, reason="odd", user=world.operator, actor=actor_of(world.operator)
        )
    found = states()
    assert (found["control"], found["sealer"]) == ("unhealthy", "unhealthy")
    client = broker._client(settings.REDIS_URL)
    client.delete(f"{broker.ALIVE}worker@h", f"{broker.ALIVE}beat")
    client.rpush("control", *["x"] * 200)
    found = states()
    assert (found["workers"], found["beat"], found["queues"]) == ("degraded",) * 3
    client.delete("control")
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    status, body = _ask()
    assert body["components"]["redis"]["status"] == "unhealthy"
    assert status == 200 and body["overall_health"] == "degraded"
    settings.REDIS_URL = ""
    assert states()["redis"] == "off"


def test_alerts_are_told_with_what_to_do_M94() -> None:
    world = console.world()
    node = console.node(world, seen_seconds_ago=60)
    Watch().look()
    heartbeats.beat(name=heartbeats.CONTROL, duties={})
    _, body = _ask()
    (alert,) = body["alerts"]
    assert alert["severity"] == "critical"
    assert node.name in alert["message"]
    assert alert["fix"] and alert["who"] == "an operator"
    page = Client().get(alert["runbook"])
    assert page.status_code == 200 and page.content.startswith(b"# A node is down")
    _, listed = _ask("/api/v1/alerts?state=open")
    assert [row["rule"] for row in listed["results"]] == ["node_away"]
    Node.objects.update(last_seen_at=clock.now())
    Watch().look()
    _, listed = _ask("/api/v1/alerts?state=open")
    assert listed["results"] == []
    _, listed = _ask("/api/v1/alerts")
    assert listed["results"][0]["closed_at"] is not None


def test_who_is_not_known_is_told_nothing_of_the_house() -> None:
    world = console.world()
    console.node(world, name="secret-node", seen_seconds_ago=60)
    Watch().look()
    assert _ask(role=None)[0] == 401
    assert _ask("/api/v1/alerts", role=None)[0] == 401
    assert _ask(role=Role.APPLICATION)[0] == 403
    status, body = _ask("/health", role=None)
    assert status == 200
    assert set(body) == {"status", "components", "s3_status"}
    assert body["status"] == "ok" and body["s3_status"] == "off"
    assert set(body["components"].values()) <= {str(state) for state in Status}
    assert "secret" not in json.dumps(body)
    assert _ask("/health/live", role=None) == (200, {"status": "ok"})


def test_monitors_need_neither_a_host_name_nor_tls(settings) -> None:
    settings.ALLOWED_HOSTS = ["formulary.example"]
    settings.SECURE_SSL_REDIRECT = True
    for path in ("/health", "/health/live"):
        answer = Client().get(path, headers={"Host": "127.0.0.1:8000"})
        assert answer.status_code == 200, path
        assert answer["Cache-Control"] == "no-store"
        assert Client().post(path).status_code == 405
    assert Client().get("/api/v1/health", headers={"Host": "127.0.0.1"}).status_code == 400


def test_without_a_vital_part_the_whole_is_unhealthy() -> None:
    def whole(**states: Status) -> Status:
        return overall({n: Component(name=n, status=s, detail="") for n, s in states.items()})

    well, ill = Status.HEALTHY, Status.UNHEALTHY
    assert whole(database=well, redis=well, nodes=Status.OFF) is well
    assert whole(database=well, redis=ill) is Status.DEGRADED
    assert whole(database=ill, redis=well) is ill


class Asking:
    """The process of asking.py, on wires that can be frozen."""

    def __init__(self, database_port: int, redis_port: int) -> None:
        own = connection.settings_dict
        redis = urlsplit(settings.REDIS_URL)
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "asking.py")],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "ALLOWED_HOSTS": "testserver",
                "DATABASE_URL": f"postgres://{own['USER']}:{own['PASSWORD']}@127.0.0.1:"
                f"{database_port}/{own['NAME']}",
                "REDIS_URL": f"redis://:{redis.password}@127.0.0.1:{redis_port}{redis.path}",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def told(self) -> dict[str, tuple[int, dict, float]]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("ask\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=10)


def test_health_answers_within_two_seconds_while_database_and_redis_hang() -> None:
    """Both accept connections and say nothing, as on a wire that was cut in silence."""
    own, redis = connection.settings_dict, urlsplit(settings.REDIS_URL)
    with (
        wire(str(own["HOST"]), int(own["PORT"])) as to_database,
        wire(str(redis.hostname), int(redis.port or 6379)) as to_redis,
    ):
        asking = Asking(to_database.port, to_redis.port)
        try:
            calm = asking.told()
            to_redis.freeze()
            without_redis = asking.told()
            to_database.freeze()
            without_both = asking.told()
            to_database.thaw()
            to_redis.thaw()
            after = asking.told()
        finally:
            asking.end()
    for told in (calm, without_redis, without_both, after):
        assert all(seconds < 2.0 for _, _, seconds in told.values()), told
        assert told["/health/live"][0] == 200
    for told in (calm, after):
        assert told["/health"][0] == 200
        assert told["/health"][1]["components"]["database"] == "healthy"
        assert told["/health"][1]["components"]["redis"] == "healthy"
        assert told["/api/v1/health"][0] == 401
    status, body, _ = without_redis["/health"]
    assert (status, body["status"]) == (200, "ok")
    assert body["components"]["redis"] == "unhealthy"
    assert body["components"]["database"] == "healthy"
    status, body, _ = without_both["/health"]
    assert (status, body["status"]) == (503, "unavailable")
    assert body["components"]["database"] == body["components"]["redis"] == "unhealthy"
    status, body, _ = without_both["/api/v1/health"]
    assert (status, body["state"], body["overall_health"]) == (503, "error", "unhealthy")
    assert body["alerts"] == [] and "detail" not in body["components"]["database"]
