"""A collection that is killed while it erases: nothing is lost that anybody needs."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, transaction

from config.core import clock
from registry.models import Blob, ErasedBlob, GarbageRun
from registry.services import blobs, garbage
from tests.factories import registry as make
from tests.flows.waiting import until
from tests.registry.api.test_upload_memory import _database_url

POINTS = ["garbage.row_deleted", "garbage.bytes_deleted"]


@pytest.mark.xdist_group("uploads")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_collection_is_finished_by_the_next(point: str, tmp_path: Path) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("needs a second process on the test's database")
    version = make.version()
    old = clock.now() - timedelta(days=30)
    for number in range(2):
        blobs.store_pieces([os.urandom(1000), str(number).encode()])
    doomed = Blob.objects.filter(pk__in=garbage.unneeded().values("pk"))
    doomed.update(unreferenced_since=old, created_at=old)
    sha256s = set(doomed.values_list("sha256", flat=True))
    (tmp_path / point).touch()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "collect_garbage"],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": _database_url(), "FORMULARY_FAILPOINTS": str(tmp_path)},
        stdout=subprocess.DEVNULL,
    )
    try:
        until(lambda: list(tmp_path.glob("*.reached")), seconds=60)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    # The transaction went with its process: both rows are there, one perhaps without its bytes.
    until(lambda: _lockable(len(sha256s)))
    lost = [blob for blob in doomed if not blobs.is_stored(blob)]
    assert len(lost) == (point == "garbage.bytes_deleted")
    assert not ErasedBlob.objects.exists()
    GarbageRun.objects.update(started_at=clock.now() - timedelta(hours=2))
    assert set(garbage.collect().sha256s) == sha256s
    assert not GarbageRun.objects.filter(finished_at=None).exists()
    for file in version.files.all():
        blobs.verify(file.blob)


def _lockable(count: int) -> bool:
    """Whether the killed process's locks have gone."""
    with transaction.atomic():
        rows = Blob.objects.select_for_update(skip_locked=True)
        return len(rows.filter(unreferenced_since__isnull=False)) == count
