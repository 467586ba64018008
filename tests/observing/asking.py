"""A process of its own that asks for health once for each line on its stdin (test_health.py)."""

import json
import sys
import time

import django

django.setup()

from django.test import Client  # noqa: E402

from serving.health import measuring  # noqa: E402


def ask(path: str) -> tuple[int, object, float]:
    measuring.forget()
    began = time.monotonic()
    answer = Client(headers={"Authorization": "Bearer fml_wrong"}).get(path)
    return answer.status_code, answer.json(), time.monotonic() - began


for _ in sys.stdin:
    told = {path: ask(path) for path in ("/health", "/api/v1/health", "/health/live")}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
