"""Texts to train with are scanned by themselves, once, and again when their message was lost."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from compliance import tasks
from compliance.models import AuditEvent
from compliance.services import training_scans
from config.celery import app
from config.core import clock, storage
from registry.models import ScanState, TrainingFile
from tests.factories import accounts
from tests.factories import training as make

pytestmark = pytest.mark.django_db
GOOD = {"good.jsonl": b'{"prompt": "Invented note", "completion": "urgent"}'}
ODD = {"odd.json": b'[{"prompt": "Invented secret", "completion": 7}]'}


@pytest.fixture
def eager() -> Any:
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


def test_an_upload_is_scanned_by_itself(
    eager: None, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        make.upload(accounts.engineer(), "desk", GOOD | ODD)
    odd, good = TrainingFile.objects.order_by("-name")
    assert (good.scan_state, odd.scan_state) == (ScanState.PASSED, ScanState.REFUSED)
    assert [(row["code"], row["number"]) for row in odd.scan_findings] == [("not_text", 1)]
    told = list(AuditEvent.objects.filter(action="training_file.scanned"))
    assert len(told) == 2
    assert not any("Invented" in event.body or "odd.json" in event.body for event in told)


def test_new_bytes_under_a_name_are_scanned_anew() -> None:
    owner = accounts.engineer()
    make.upload(owner, "desk", GOOD)
    file = TrainingFile.objects.get()
    assert training_scans.scan(file_id=file.pk) == ScanState.PASSED
    make.upload(owner, "desk", {"good.jsonl": b"no JSON"})
    file.refresh_from_db()
    assert file.scan_state == ScanState.UNSCANNED
    assert training_scans.scan(file_id=file.pk) == ScanState.REFUSED


def test_bytes_that_are_not_what_was_sealed_are_refused() -> None:
    make.upload(accounts.engineer(), "desk", GOOD)
    file = TrainingFile.objects.get()
    path = Path(storage.blob_storage().path(file.blob.key))
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    assert training_scans.scan(file_id=file.pk) == ScanState.REFUSED
    file.refresh_from_db()
    assert [row["code"] for row in file.scan_findings] == ["blob-damaged"]


def test_a_lost_message_is_made_up_for_by_the_sweep(eager: None) -> None:
    make.upload(accounts.engineer(), "desk", GOOD)
    assert training_scans.overdue() == [], "its message may still be on its way"
    TrainingFile.objects.update(uploaded_at=clock.now() - timedelta(minutes=1))
    tasks.sweep_training_files()
    assert TrainingFile.objects.get().scan_state == ScanState.PASSED
    assert training_scans.overdue() == []
