"""The same act by many callers at one moment."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.db import connection
from django.test import Client

MANY = 50
T = TypeVar("T")


def at_once(act: Callable[[int], T], *, count: int = MANY) -> list[T]:
    """What ``act(0)`` … ``act(count - 1)`` return, begun together; an error in one is raised."""
    barrier = threading.Barrier(count, timeout=60)
    results: list[T] = []
    errors: list[BaseException] = []

    def work(index: int) -> None:
        try:
            barrier.wait(timeout=30)
            results.append(act(index))
        except BaseException as error:  # noqa: BLE001 - a thread's outermost place: raised below
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(count)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 120
    for thread in threads:
        thread.join(timeout=max(0, deadline - time.monotonic()))
    if errors:
        raise errors[0]
    assert len(results) == count
    return results


def lock_waiters() -> int:
    """How many connections to this database stand before a lock that another one holds."""
    with connection.cursor() as cursor:
        # Not pg_stat_activity, of which a transaction sees what it saw first. A lock on a row
        # names no database; who waits for it holds locks on tables, which do.
        cursor.execute(
            "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"
            " AND pid IN (SELECT pid FROM pg_locks JOIN pg_database ON oid = database"
            " WHERE datname = current_database())"
        )
        return int(cursor.fetchone()[0])


def answered(
    client: Client, path: str, body: Mapping[str, Any], *, key: str, method: str = "post"
) -> Any:
    """The answer to a request with a key, asked again while the first one is at work."""
    headers = {"idempotency-key": key}
    pause, deadline = threading.Event(), time.monotonic() + 90
    while True:
        send = getattr(client, method)
        answer = send(path, body, content_type="application/json", headers=headers)
        if answer.status_code != 409 or answer.json()["code"] != "idempotency-key-in-use":
            return answer
        assert time.monotonic() < deadline, "the key stays in use"
        pause.wait(float(answer["Retry-After"]) / 10)
