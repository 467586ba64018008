"""Check runs: opened by news, executed once, replayable, patient with a store that is away."""

import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.db import connection, transaction

from compliance.checks import runner
from compliance.domain.check import EVIDENCE, PACKAGE
from compliance.domain.policy import PACKS
from compliance.domain.snapshot import snapshot_sha256
from compliance.models import AuditEvent, CheckRun
from compliance.selectors import latest_results, live_gate_faults, open_blockers, package_passed
from compliance.selectors.checks import waiting_runs
from compliance.selectors.records import result_sha256
from compliance.services import check_runs, rechecks
from compliance.states import RunState
from compliance.tasks import execute_check_run, recheck_approved
from config.core import clock
from config.core.actors import SYSTEM
from registry.models import Version, VersionFile
from registry.services import labels
from tests.factories import compliance as c
from tests.factories import registry as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> Version:
    return make.version(of=make.adapter(safety_class="A"))


def _run(version: Version, kind: str) -> CheckRun:
    run = CheckRun.objects.filter(version=version, kind=kind).order_by("-pk").first()
    assert run is not None
    return run


def test_a_submitted_version_waits_for_both_kinds(version: Version) -> None:
    runs = CheckRun.objects.filter(version=version).order_by("pk")
    assert [(run.kind, run.state) for run in runs] == [
        ("package", "waiting"),
        ("evidence", "waiting"),
    ]


def test_the_package_checks_judge_the_stored_bytes(version: Version) -> None:
    execute_check_run(_run(version, "package").pk)
    run = _run(version, "package")
    assert (run.state, run.is_blocked) == (RunState.DONE, False)
    assert package_passed(version)
    ids = set(latest_results(version))
    assert {"TEC-01", "TEC-02", "TEC-06", "SEC-01", "SEC-02", "HIP-06"} <= ids
    finished = AuditEvent.objects.get(action="check_run.finished")
    assert '"verdict":[null,"pass"]' in finished.body


def test_a_bad_package_is_blocked_with_what_to_do() -> None:
    files = make.package()
    version = make.version(files=make.package(base_name="somebody/else", seed=3) | {"run.py": b"1"})
    assert files
    c.run_checks(version)
    assert not package_passed(version)
    found = {row.check_id: row for row in open_blockers(version)}
    assert {"TEC-06", "SEC-01"} <= set(found)
    assert all(row.fix and row.message for row in found.values())


def test_a_run_is_executed_once(version: Version) -> None:
    run = _run(version, "package")
    assert check_runs.execute(run_id=run.pk)
    assert not check_runs.execute(run_id=run.pk)
    assert AuditEvent.objects.filter(action="check_run.finished").count() == 1


def test_results_replay_from_the_stored_snapshot() -> None:
    """The same snapshot and policy give the same results, to the last hash."""
    version = c.evaluated()
    for kind, tag in (("package", PACKAGE), ("evidence", EVIDENCE)):
        run = _run(version, kind)
        snapshot = json.loads(run.snapshot)
        assert snapshot_sha256(snapshot) == run.snapshot_sha256
        again = runner.run(snapshot, PACKS[run.policy_version], tags=frozenset({tag}))
        stored = {row.check_id: row.result_sha256 for row in run.results.all()}
        assert {row.check_id: row.result_sha256 for row in again} == stored
        for row in run.results.select_related("run"):
            assert result_sha256(row) == row.result_sha256, row.check_id


def test_a_run_whose_worker_died_is_taken_up_again(version: Version) -> None:
    run = _run(version, "package")
    CheckRun.objects.filter(pk=run.pk).update(
        state="running", started_at=clock.now() - timedelta(hours=1)
    )
    assert check_runs.requeue_stale() == 1
    assert check_runs.execute(run_id=run.pk)


def test_the_sweep_finds_what_waits(version: Version) -> None:
    asked_at = _run(version, "package").requested_at
    with clock.frozen_at(asked_at + timedelta(seconds=1)):
        assert waiting_runs() == []
    with clock.frozen_at(asked_at + timedelta(seconds=10)):
        assert len(waiting_runs()) == 2


def test_a_store_that_is_away_is_waited_for(version: Version, settings: object) -> None:
    run = _run(version, "package")
    row = VersionFile.objects.filter(version=version).first()
    assert row is not None
    path = Path(storages["blobs"].path(row.blob.key))
    kept = path.read_bytes()
    path.unlink()
    path.mkdir()  # reading it is an error of the store now, and not a missing file
    assert not check_runs.execute(run_id=run.pk)
    run.refresh_from_db()
    assert run.state == RunState.WAITING
    assert "store" in run.error
    assert any("store" in row.message for row in open_blockers(version))
    path.rmdir()
    path.write_bytes(kept)
    assert check_runs.execute(run_id=run.pk)
    assert package_passed(version)


def test_a_lost_blob_is_a_finding() -> None:
    version = make.version()
    row = VersionFile.objects.get(version=version, path="adapter_model.safetensors")
    Path(storages["blobs"].path(row.blob.key)).unlink()
    c.run_checks(version)
    found = {row.check_id: row.message for row in open_blockers(version)}
    assert "missing since registration" in found["HIP-06"]


def test_the_nightly_round_finds_changed_bytes_and_the_lease_runs_out(
    request: pytest.FixtureRequest,
) -> None:
    version = c.approved().version
    recheck_approved()
    c.run_checks(version)
    assert live_gate_faults(version) == []
    row = VersionFile.objects.get(version=version, path="adapter_model.safetensors")
    path = Path(storages["blobs"].path(row.blob.key))
    path.chmod(0o640)
    kept = path.read_bytes()
    # The store outlives this test: one that makes the same bytes must find them whole.
    request.addfinalizer(lambda: path.write_bytes(kept))
    path.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    assert rechecks.open_due() == 1
    c.run_checks(version)
    assert [fault.check_id for fault in live_gate_faults(version)] == ["HIP-06"]
    assert package_passed(version), "the nightly round is no part of the gate of a record"


@pytest.mark.django_db(transaction=True)
def test_a_waiting_run_sees_the_change_for_which_it_was_asked() -> None:
    """A worker that takes the run up at the same moment reads after the change is committed."""
    version = make.version(of=make.adapter(safety_class="A"))
    run = _run(version, "evidence")
    is_asked, outcome = threading.Event(), []

    def work() -> None:
        try:
            assert is_asked.wait(20)
            outcome.append(check_runs.execute(run_id=run.pk))
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    with transaction.atomic():
        labels.change(
            version=version,
            user=version.submitted_by,
            actor=SYSTEM,
            purpose="Another purpose",
            population=[{"attribute": "age_group", "level": "child"}],
        )
        is_asked.set()
        worker.join(0.5)  # it waits for the lock; were there none, it would be done by now
        assert outcome == []
    worker.join(20)
    assert outcome == [True]
    run.refresh_from_db()
    assert '"level":"child"' in run.snapshot


def test_a_run_with_a_sign_of_life_is_left_to_its_worker(version: Version) -> None:
    run = _run(version, "package")
    now = clock.now()
    CheckRun.objects.filter(pk=run.pk).update(
        state="running", started_at=now - timedelta(hours=1), heartbeat_at=now
    )
    assert check_runs.requeue_stale() == 0


def test_each_taking_over_is_in_the_trail_and_the_fifth_death_is_the_last(version: Version) -> None:
    run = _run(version, "package")
    CheckRun.objects.filter(pk=run.pk).update(state="waiting", attempts=0)
    for attempts in range(1, check_runs.MAX_ATTEMPTS + 1):
        CheckRun.objects.filter(pk=run.pk).update(
            state="running",
            started_at=clock.now() - timedelta(minutes=1),
            heartbeat_at=clock.now() - timedelta(minutes=1),
            attempts=attempts,
        )
        assert check_runs.requeue_stale() == 1
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert "its worker ended in the middle 5 times" in run.error
    taken = AuditEvent.objects.filter(action="check_run.taken_over", object_id=str(run.uuid))
    assert taken.count() == check_runs.MAX_ATTEMPTS - 1
    assert not check_runs.execute(run_id=run.pk)
