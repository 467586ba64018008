"""Garbage collection: what goes, what never goes, and what a killed collection leaves."""

import io
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, models
from rest_framework.test import APIClient

from compliance.models import AuditEvent
from config.accounts.models import User
from config.core import clock
from config.core.actors import SYSTEM
from registry import tasks
from registry.errors import BlobNotFound
from registry.models import Artifact, Blob, ErasedBlob, GarbageRun, StorageAlias
from registry.services import artifacts, blobs, garbage, holds, storage_aliases
from registry.storage_errors import HoldInvalid
from tests.factories import registry as make
from tests.factories.at_once import lock_waiters
from tests.flows.waiting import until

pytestmark = pytest.mark.django_db


def later(days: float) -> AbstractContextManager[None]:
    return clock.frozen_at(clock.now() + timedelta(days=days))


def _store(data: bytes) -> Blob:
    return blobs.store(io.BytesIO(data))


def _collect_twice() -> garbage.Collected:
    """Mark now, erase when the grace period is over."""
    garbage.collect()
    with later(8):
        return garbage.collect()


def test_every_foreign_key_to_a_blob_is_found_and_protects(file_store: Any) -> None:
    """However a room names its field: a key that would let a blob go, or that nobody counts."""
    found = {
        (model, field.name)
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.get_fields(include_hidden=True)
        if field.concrete and field.is_relation and field.related_model is Blob
    }
    assert set(garbage.referrers()) == found
    assert len(found) >= 4
    for model, name in found:
        on_delete = model._meta.get_field(name).remote_field.on_delete
        assert on_delete is models.PROTECT, f"{model.__name__}.{name} must be PROTECT"


def test_bytes_that_nothing_needs_go_after_the_grace_period(file_store: Any) -> None:
    blob = _store(b"needed by nobody")
    assert garbage.collect().sha256s == ()
    with later(6.9):
        assert garbage.collect().sha256s == ()
    with later(7.1):
        done = garbage.collect()
    assert done.sha256s == (blob.sha256,)
    assert done.size_bytes == 16
    assert not (file_store / blob.key).exists()
    assert not Blob.objects.exists()
    assert ErasedBlob.objects.get().sha256 == blob.sha256


def test_bytes_of_versions_artifacts_and_keys_never_go(client: APIClient, file_store: Any) -> None:
    version = make.version()
    client.generic("POST", "/artifact/model", b"an artifact", headers={"X-Model-Name": "m"})
    storage_aliases.assign("metadata/a.json", _store(b"by a key"))
    before = set(Blob.objects.values_list("sha256", flat=True))
    assert len(before) == version.files.count() + 2
    assert _collect_twice().sha256s == ()
    assert set(Blob.objects.values_list("sha256", flat=True)) == before
    for blob in Blob.objects.all():
        blobs.verify(blob)


def test_held_bytes_stay_until_the_last_hold_is_released(file_store: Any) -> None:
    blob = _store(b"evidence")
    for matter in ("case 1", "case 2"):
        (hold,) = holds.place(
            sha256s=[blob.sha256], matter=matter, reason="A court asked", actor=SYSTEM
        )
    assert _collect_twice().sha256s == ()
    holds.release(uuid=hold.uuid, reason="Closed", actor=SYSTEM)
    assert _collect_twice().sha256s == ()
    (last,) = holds.place(sha256s=[blob.sha256], matter="case 1", reason="again", actor=SYSTEM)
    holds.release(uuid=last.uuid, reason="Closed", actor=SYSTEM)
    assert _collect_twice().sha256s == (blob.sha256,)
    actions = AuditEvent.objects.values_list("action", flat=True)
    assert list(actions).count("hold.placed") == list(actions).count("hold.released") == 2


def test_a_hold_that_comes_after_the_mark_is_seen(file_store: Any) -> None:
    blob = _store(b"evidence")
    garbage.collect()
    assert Blob.objects.get().unreferenced_since is not None
    holds.place(sha256s=[blob.sha256], matter="case", reason="A court asked", actor=SYSTEM)
    with later(8):
        assert garbage.collect().sha256s == ()
    assert Blob.objects.get().unreferenced_since is None


def test_bytes_that_are_sent_again_are_no_garbage_any_more(file_store: Any) -> None:
    blob = _store(b"twice")
    garbage.collect()
    with later(8):
        assert _store(b"twice") == blob
        assert garbage.collect().sha256s == ()
    blobs.verify(blob)


def test_a_dry_run_says_what_would_go_and_changes_nothing(file_store: Any) -> None:
    blob, young = _store(b"old"), _store(b"young")
    Blob.objects.filter(pk=blob.pk).update(
        unreferenced_since=clock.now() - timedelta(days=9),
        created_at=clock.now() - timedelta(days=9),
    )
    out = io.StringIO()
    call_command("collect_garbage", "--dry-run", stdout=out)
    assert blob.sha256 in out.getvalue() and young.sha256 not in out.getvalue()
    assert Blob.objects.count() == 2
    assert not GarbageRun.objects.exists() and not AuditEvent.objects.exists()
    call_command("collect_garbage", stdout=out)
    assert list(Blob.objects.all()) == [young]


def test_beat_collects_and_settles_through_tasks(file_store: Any) -> None:
    _store(b"needed by nobody")
    assert tasks.collect_garbage() == 0
    with later(8):
        assert tasks.collect_garbage() == 1
    storage_aliases.assign("metadata/a.json", _store(b"x"))
    storage_aliases.give_up("metadata/a.json")
    with later(1):
        assert tasks.sweep_storage() == 1
    assert not StorageAlias.objects.exists()


def test_each_run_is_in_the_audit_trail_before_and_after(file_store: Any) -> None:
    blob = _store(b"gone")
    _collect_twice()
    started = AuditEvent.objects.get(action="garbage.started")
    done = AuditEvent.objects.filter(action="garbage.collected").order_by("pk").last()
    assert done is not None and started.pk < done.pk
    assert blob.sha256 in started.body and blob.sha256 in done.body


def test_replaced_artifacts_go_when_their_retention_is_over_unless_held(
    client: APIClient, file_store: Any
) -> None:
    for data in (b"first", b"second", b"third"):
        client.generic("POST", "/artifact/model", data, headers={"X-Model-Name": "m"})
    second = Artifact.objects.order_by("pk")[1]
    holds.place(sha256s=[second.blob.sha256], matter="case", reason="asked", actor=SYSTEM)
    with later(364):
        assert garbage.collect().dropped_artifacts == 0
    with later(366):
        assert garbage.collect().dropped_artifacts == 1
    assert [row.blob.size_bytes for row in Artifact.objects.order_by("pk")] == [6, 5]
    assert StorageAlias.objects.filter(blob__isnull=False).count() == 2
    assert AuditEvent.objects.filter(action="artifact.dropped").count() == 1


def test_an_artifacts_retention_begins_when_it_is_replaced(engineer: User, file_store: Any) -> None:
    def send(data: bytes) -> Artifact:
        return artifacts.upload(
            kind="model",
            name="m",
            file_name="m.zip",
            content_type="application/zip",
            pieces=[data],
            user=engineer,
            actor=SYSTEM,
        )

    send(b"old, and in use for two years")
    with later(730):
        successor = send(b"its successor")
        assert garbage.collect().dropped_artifacts == 0
    with later(730 + 366):
        assert garbage.collect(is_dry=True).dropped_artifacts == 1
        assert garbage.collect().dropped_artifacts == 1
    assert Artifact.objects.get() == successor


def test_bytes_that_the_store_does_not_let_go_keep_no_others_from_going(file_store: Any) -> None:
    kept, gone = _store(b"not to be erased"), _store(b"to be erased")
    garbage.collect()
    path = file_store / kept.key
    path.unlink()
    (path / "inside").mkdir(parents=True)  # what can't be unlinked, whoever tries
    with later(8):
        done = garbage.collect()
        assert (done.sha256s, done.refused) == ((gone.sha256,), 1)
    assert list(Blob.objects.all()) == [kept]
    assert not GarbageRun.objects.filter(finished_at=None).exists()
    (path / "inside").rmdir()
    with later(9):
        done = garbage.collect()
        assert (done.sha256s, done.refused) == ((kept.sha256,), 0)


def test_a_killed_collection_leaves_nothing_that_anybody_needs(file_store: Any) -> None:
    """Killed between the bytes and the commit: the row is there, and nothing names it."""
    blob = _store(b"half erased")
    garbage.collect()
    (file_store / blob.key).unlink()
    GarbageRun.objects.create(started_at=clock.now() - timedelta(hours=2))
    with pytest.raises(BlobNotFound):
        blobs.require_stored(blob)
    assert _store(b"half erased") == blob  # the same bytes heal it
    blobs.verify(blob)
    (file_store / blob.key).unlink()
    assert _collect_twice().sha256s == (blob.sha256,)
    assert not GarbageRun.objects.filter(finished_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_bytes_that_arrive_while_they_are_erased_are_there_afterwards(
    file_store: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload waits for the collection that is erasing these very bytes, then stores them."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    blob = _store(b"contended")
    Blob.objects.update(
        unreferenced_since=clock.now() - timedelta(days=9),
        created_at=clock.now() - timedelta(days=9),
    )
    armed = tmp_path / "points"
    armed.mkdir()
    (armed / "garbage.row_deleted").touch()
    monkeypatch.setenv("FORMULARY_FAILPOINTS", str(armed))
    sent: list[Blob] = []

    def run(act: Callable[[], Any]) -> threading.Thread:
        def body() -> None:
            try:
                act()
            finally:
                connection.close()

        thread = threading.Thread(target=body)
        thread.start()
        return thread

    collecting = run(garbage.collect)
    until(lambda: any(armed.glob("*.reached")))
    sending = run(lambda: sent.append(_store(b"contended")))
    until(lock_waiters)
    (armed / "garbage.row_deleted").unlink()
    for thread in (collecting, sending):
        thread.join(20)
    assert ErasedBlob.objects.get().sha256 == blob.sha256
    blobs.verify(Blob.objects.get(pk=sent[0].pk))


def test_a_versions_files_are_held_and_released_by_hand(file_store: Any) -> None:
    version = make.version(of=make.adapter(slug="held"), version_name="v1")
    out = io.StringIO()
    words = ["--matter", "case", "--reason", "A court asked", "--by", "the officer"]
    call_command("legal_hold", "place", "--version-ref", "held@v1", *words, stdout=out)
    placed = [line.split()[0] for line in out.getvalue().splitlines()]
    assert len(placed) == version.files.count()
    assert holds.open_sha256s() == set(version.files.values_list("blob__sha256", flat=True))
    call_command("legal_hold", "list", stdout=out)
    assert "case: A court asked" in out.getvalue()
    for uuid in placed:
        end = ["--hold", uuid, "--reason", "Closed", "--by", "the officer"]
        call_command("legal_hold", "release", *end)
    assert holds.open_sha256s() == set()
    with pytest.raises(CommandError, match="open hold"):
        call_command("legal_hold", "release", *end)
    with pytest.raises(CommandError, match="--by"):
        call_command("legal_hold", "place", "--version-ref", "held@v1", *words[:4])


def test_a_hold_needs_whole_digests_a_matter_and_a_reason(file_store: Any) -> None:
    for sha256s, matter, reason in (
        ([], "case", "asked"),
        (["abc"], "case", "asked"),
        (["a" * 64], " ", "asked"),
        (["a" * 64], "case", ""),
    ):
        with pytest.raises(HoldInvalid):
            holds.place(sha256s=sha256s, matter=matter, reason=reason, actor=SYSTEM)
