"""The embedded servers are real ones and can be restarted on the same data."""

import os
from pathlib import Path

import psycopg
import pytest
import redis
from django.db import connection

from config.stack.ports import first_free_from, free_port
from config.stack.postgres import Postgres
from config.stack.valkey import Valkey


@pytest.mark.django_db
def test_the_suite_runs_on_postgresql() -> None:
    assert connection.vendor == "postgresql" or "sqlite" in os.environ["DATABASE_URL"]


def test_postgres_keeps_its_rows_over_a_restart(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)
    first = Postgres(tmp_path / "postgres")
    with psycopg.connect(first.start(), autocommit=True) as client:
        client.execute("create table drug (name text)")
        client.execute("insert into drug values ('aspirin')")
    first.stop()
    second = Postgres(tmp_path / "postgres")
    with psycopg.connect(second.start()) as client:
        assert client.execute("select name from drug").fetchone() == ("aspirin",)
    second.stop()


def test_valkey_wants_its_password(tmp_path: Path) -> None:
    server = Valkey(tmp_path / "valkey")
    url = server.start()
    assert redis.Redis.from_url(url).ping()
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=server.port).ping()
    server.stop()


def test_a_busy_port_leads_to_the_next_one() -> None:
    import socket

    port = free_port()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", port))
        holder.listen()
        assert first_free_from(port) > port
