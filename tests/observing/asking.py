"""A process of its own that asks for health once for each line on its stdin (test_health.py)."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import django

django.setup()

from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402

import config.urls  # noqa: E402, F401 - as the web process at its start
from serving.health import measuring  # noqa: E402
from tests.factories.awake import awake_seconds  # noqa: E402

PATHS = ("/health", "/api/v1/health", "/health/live")


def ask(path: str) -> tuple[int, object, float]:
    with awake_seconds() as spent:
        try:
            answer = Client(headers={"Authorization": "Bearer fml_wrong"}).get(path)
            return answer.status_code, answer.json(), spent()
        finally:
            connection.close()


with ThreadPoolExecutor(len(PATHS)) as pool:
    for _ in sys.stdin:
        measuring.forget()
        # At once, as monitors ask: what hangs, hangs for all of them.
        told = dict(zip(PATHS, pool.map(ask, PATHS), strict=True))
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
