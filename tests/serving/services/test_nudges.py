"""Nudges do no harm where the broker is away."""

import os
import subprocess
import sys

from django.conf import settings

CODE = """
import django
django.setup()
from serving.services import nudges
nudges.evaluate(1)
nudges.load("a-uuid", "node.n1")
print("went on")
"""


def test_an_absent_broker_is_no_error() -> None:
    """In a process of its own: the broker of this one is not changed."""
    env = {
        **os.environ,
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", "import config.celery\n" + CODE],
        cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().endswith("went on")
    assert "broker away" in done.stderr
