"""Stops, leases and a control plane that is away, by the local clock."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from django.conf import settings
from django.db import connection, connections

from compliance.models import Permission
from config.accounts.models import ApiToken
from config.core import clock
from serving.gateway.limits import Limits
from serving.models import Answer
from serving.states import FailureKind
from tests.factories import gateway as make

Serve = Callable[..., Any]


@contextmanager
def database_away() -> Iterator[None]:
    """Really: the server takes no connection to this database, and ends those there are."""
    name = connection.settings_dict["NAME"]
    url = settings.DATABASES["default"]
    connections.close_all()
    with psycopg.connect(
        host=url["HOST"],
        port=url["PORT"],
        user=url["USER"],
        password=url["PASSWORD"],
        dbname="postgres",
        autocommit=True,
    ) as admin:
        try:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            yield
        finally:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
            # The pool of this process holds connections that were ended, and waits longer and
            # longer before it tries again; the next test must meet neither.
            connections.close_all()
            connection.close_pool()


def test_no_answer_starts_2_seconds_after_a_stop_M81(world: Any, serve: Serve) -> None:
    """P14 with the default timing; the node is not told at all."""
    version = world.version(default="x")
    deployment = world.deployment(version)
    caller = serve(Limits())
    assert caller.chat(deployment.public_name).status_code == 200
    make.stop(version.digest)
    stopped_at = time.monotonic()

    def refused() -> httpx.Response | None:
        began_at = time.monotonic()
        response = caller.chat(deployment.public_name)
        if response.status_code != 200:
            return response
        assert began_at - stopped_at < 2, "an answer began"
        return None

    response = make.until(refused)
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "stopped"


@pytest.mark.parametrize("is_node_told", [False, True])
def test_a_stop_withdraws_a_running_stream(world: Any, serve: Serve, is_node_told: bool) -> None:
    version = world.version(default="word " * 5000, token_latency_ms=20)
    deployment = world.deployment(version)
    caller = serve(Limits(row_commit_seconds=15))
    after = 0
    with caller.http.stream(
        "POST",
        "/v1/chat/completions",
        json={
            "model": deployment.public_name,
            "messages": [{"role": "user", "content": "x"}],
            "stream": True,
        },
    ) as response:
        last = ""
        for number, line in enumerate(filter(None, response.iter_lines())):
            if number == 10:
                if is_node_told:
                    world.node.stop(version.digest, epoch=1)
                else:
                    make.stop(version.digest)
            after, last = number - 10, line
    assert after <= 100, "more words than there are in 2 seconds"
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "stopped"
    row = Answer.objects.get()
    assert (row.failure, row.was_replaced) == (FailureKind.STOPPED, False)


def test_a_stop_ends_a_wait_for_the_first_token(world: Any, serve: Serve) -> None:
    version = world.version(default="x", token_latency_ms=60_000)
    deployment = world.deployment(version)
    caller = serve()
    answers: list[httpx.Response] = []
    asking = threading.Thread(
        target=lambda: answers.append(caller.chat(deployment.public_name, stream=True))
    )
    asking.start()
    make.until(lambda: world.node.twin.answers)
    make.stop(version.digest)
    asking.join(20)
    assert [answer.status_code for answer in answers] == [403]
    make.until(lambda: not world.node.twin.answers)


def test_an_ended_lease_is_503_until_it_is_renewed(world: Any, serve: Serve) -> None:
    version = world.version(default="x", is_permitted=False)
    permission = make.permit(version)
    deployment = world.deployment(version)
    caller = serve()
    assert caller.chat(deployment.public_name).status_code == 200
    Permission.objects.filter(pk=permission.pk).update(lease_sequence=2, ttl_seconds=1)
    make.bump()
    response = make.until(
        lambda: next((r for r in [caller.chat(deployment.public_name)] if r.is_error), None)
    )
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "no_replica"
    assert response.headers["Retry-After"]
    assert caller.http.get("/v1/models").json()["data"] == []
    Permission.objects.filter(pk=permission.pk).update(lease_sequence=3, ttl_seconds=60)
    make.bump()
    make.until(lambda: caller.chat(deployment.public_name).status_code == 200)
    Permission.objects.filter(pk=permission.pk).update(ended_at=clock.now())
    make.bump()
    make.until(lambda: caller.chat(deployment.public_name).status_code == 403)


def test_a_revoked_token_ends(world: Any, serve: Serve) -> None:
    deployment = world.deployment(world.version(default="x"))
    caller = serve()
    assert caller.chat(deployment.public_name).status_code == 200
    ApiToken.objects.update(revoked_at=clock.now())
    make.until(lambda: caller.chat(deployment.public_name).status_code == 401)


def test_without_the_database_it_serves_as_leases_and_policies_allow(
    world: Any, serve: Serve
) -> None:
    long_lease = world.deployment(world.version(default="long"))
    short = world.version(default="short", is_permitted=False)
    make.permit(short, ttl_seconds=2)
    short_lease = world.deployment(short)
    careful = world.deployment(
        world.version(default="x"), policy={"when_control_is_away": "refuse"}
    )
    caller = serve(Limits(poll_seconds=0.02, reread_seconds=0.2, away_after_seconds=0.3))
    # As short as the time is after which it counts as away, it may do so before it is.
    make.until(lambda: caller.chat(careful.public_name).status_code == 200)
    make.until(Answer.objects.exists)
    with database_away():
        make.until(lambda: caller.chat(careful.public_name).status_code == 503)
        response = caller.chat(long_lease.public_name)
        assert response.status_code == 200
        assert response.headers["X-Formulary-Control-Plane"] == "away"
        assert caller.chat(short_lease.public_name).status_code in (200, 503)
        make.until(lambda: caller.chat(short_lease.public_name).status_code == 503)
        new = httpx.get(
            f"{caller.url}/v1/models", headers={"Authorization": "Bearer fml_new"}, timeout=20
        )
        assert new.status_code == 503
        # It may have been made meanwhile: nobody here can say that it is not there.
        for unseen in (caller.chat("made-later"), caller.http.get("/v1/models/made-later")):
            assert unseen.status_code == 503
            assert unseen.json()["error"]["code"] == "database_unavailable"
            assert unseen.headers["Retry-After"]
        feedback = caller.http.post(
            "/v1/feedback",
            json={"answer_id": response.headers["X-Formulary-Answer"], "verdict": "bad"},
        )
        assert feedback.status_code == 503
    make.until(lambda: caller.chat(careful.public_name).status_code == 200, seconds=20)
    # What was answered meanwhile is written when the database is back.
    late = Answer.objects.filter(answer_id=response.headers["X-Formulary-Answer"])
    make.until(late.exists)
    make.until(lambda: caller.chat("made-later").status_code == 404)
    said = "X-Formulary-Control-Plane"
    make.until(lambda: said not in caller.chat(long_lease.public_name).headers)
