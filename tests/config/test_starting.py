"""What a process loads at its start, and what it does not."""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core import checks

from config.console.sites import console
from config.core.admin import RECORDS
from config.core.starting import undisturbed_imports

ROOT = Path(__file__).resolve().parents[2]
# Pages, the API, stores and numbers: a worker that needs one of them imports it then.
NOT_AT_START = [
    "boto3",
    "config.console.sites",
    "config.urls",
    "django.test",
    "drf_spectacular.plumbing",
    "numpy",
    "rest_framework.serializers",
    "torch",
    "unfold.admin",
]
TELLS = f"""
import gc, json, sys
from config.celery import app
print(json.dumps({{
    "loaded": [name for name in {NOT_AT_START} if name in sys.modules],
    "tasks": len([name for name in app.tasks if not name.startswith("celery.")]),
    "collects": gc.isenabled(),
    "frozen": gc.get_freeze_count(),
}}))
"""


def test_a_worker_loads_its_tasks_and_no_pages() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", TELLS],
        cwd=ROOT,
        env={**os.environ, "CELERY_SKIP_CHECKS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["loaded"] == []
    assert told["tasks"] > 20
    assert told["collects"]
    assert told["frozen"] > 50_000


def test_what_fails_at_its_start_collects_again() -> None:
    with pytest.raises(ImportError), undisturbed_imports():
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled()


def test_the_records_of_the_console_are_checked() -> None:
    assert checks.run_checks(tags=["admin"]) == []
    model, admin = RECORDS[0]
    wrong = type("Wrong", (admin,), {"list_display": ("no_such_field",)})
    console.unregister(model)
    console.register(model, wrong)
    try:
        found = checks.run_checks(tags=["admin"])
    finally:
        console.unregister(model)
        console.register(model, admin)
    assert {(fault.id, fault.obj) for fault in found} == {("admin.E108", wrong)}
