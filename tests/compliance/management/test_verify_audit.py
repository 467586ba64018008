"""manage.py verify_audit: exit codes, words and JSON."""

import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from compliance.models import AuditEvent
from compliance.selectors.trail import find_rewrite
from compliance.services import checkpoints, sealing
from config.core import clock
from tests.compliance.services.test_audit import write

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(settings: object, tmp_path: Path) -> Path:
    settings.CHECKPOINT_FOLDER = tmp_path / "checkpoints"  # type: ignore[attr-defined]
    return tmp_path / "checkpoints"


@pytest.fixture(autouse=True)
def _trail(folder: Path) -> None:
    for index in range(4):
        write(diff={"n": [None, index]})
    sealing.seal_pending()
    checkpoints.write_due()


def _run(*args: str) -> tuple[int, str]:
    out, code = io.StringIO(), 0
    try:
        call_command("verify_audit", *args, stdout=out, stderr=out)
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, out.getvalue()


def _as_owner(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql)
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_a_clean_trail_is_0() -> None:
    code, out = _run()
    assert code == 0
    assert "OK    audit chain    4 entries" in out
    assert "000000000004.txt), root" in out
    assert out.endswith("RESULT  0 failures   exit 0\n")


def test_an_edited_row_is_1_and_named() -> None:
    _as_owner(
        "UPDATE compliance_auditevent SET body = replace(body, '[null,2]', '[null,8]') "
        "WHERE sequence = 3"
    )
    code, out = _run()
    assert code == 1
    assert "FAIL  audit chain    entry 3: content does not match its hash" in out
    code, out = _run("--json")
    found = json.loads(out)
    assert (code, found["result"], found["first_bad"]) == (1, "failure", 3)


def test_a_cut_tail_is_1_with_the_copy_named(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "kept.txt"
    copy.write_text(next(folder.glob("*/*.txt")).read_text())
    _as_owner("DELETE FROM compliance_auditevent WHERE sequence > 2")
    _as_owner("DELETE FROM compliance_checkpoint")
    for path in folder.glob("*/*.txt"):
        path.unlink()
    assert _run()[0] == 0
    code, out = _run("--checkpoint", str(copy))
    assert code == 1
    assert "the log has only 2 verified entries" in out


def test_an_unsealed_event_is_1() -> None:
    write("test.waiting")
    with clock.frozen_at(clock.now() + timedelta(seconds=11)):
        code, out = _run()
    assert code == 1
    assert "waits unsealed" in out


def test_what_is_no_checkpoint_is_2(tmp_path: Path) -> None:
    wrong = tmp_path / "x.txt"
    assert _run("--checkpoint", str(wrong))[0] == 2
    wrong.write_text("hello\n")
    code, out = _run("--checkpoint", str(wrong), "--json")
    assert (code, json.loads(out)["result"]) == (2, "unreadable")


def test_a_database_without_tables_is_2() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE compliance_auditevent RENAME TO gone")
    with transaction.atomic():
        code, out = _run()
        transaction.set_rollback(True)
    assert code == 2
    assert "could not be read" in out


@pytest.mark.parametrize("number", ["0", "-3", "5", str(2**70)])
def test_an_entry_that_is_not_there_can_not_be_explained(number: str) -> None:
    code, out = _run(f"--explain={number}")
    assert code == 2
    assert f"there is no entry {number}" in out


def test_explain_shows_the_entry_its_neighbours_and_both_hashes() -> None:
    _as_owner(
        "UPDATE compliance_auditevent SET body = replace(body, 'thing', 'thong') WHERE sequence = 2"
    )
    code, out = _run("--explain", "2", "--json")
    rows = json.loads(out)["explain"]
    assert code == 1
    assert [row["sequence"] for row in rows] == [1, 2, 3]
    assert [row["is_equal"] for row in rows] == [True, False, True]
    assert rows[1]["stored_hash"] == AuditEvent.objects.get(sequence=2).event_hash
    assert rows[1]["event"]["object"]["type"] == "thong"


def _grow(n: int) -> None:
    for index in range(n):
        write("test.later", diff={"n": [None, index]})
    sealing.seal_pending()


def _rehash() -> None:
    """Seal everything anew, as somebody with the code and the database could."""
    _as_owner(
        "UPDATE compliance_auditevent SET sequence = NULL, previous_hash = '', "
        "event_hash = '', sealed_at = NULL"
    )
    sealing.seal_pending()


@pytest.mark.parametrize("is_rewritten", [False, True])
def test_a_trail_that_was_cut_and_grew_back_gets_no_new_checkpoint(
    folder: Path, *, is_rewritten: bool
) -> None:
    _grow(6)
    checkpoints.write_due(is_forced=True)
    before = sorted(path.name for path in folder.glob("*/*.txt"))
    assert before == ["000000000004.txt", "000000000010.txt"]
    _as_owner("DELETE FROM compliance_auditevent WHERE sequence > 7")
    _as_owner("DELETE FROM compliance_checkpoint WHERE size > 7")
    assert find_rewrite().endswith("the log has only 7")
    if is_rewritten:
        _as_owner("UPDATE compliance_auditevent SET body = replace(body, 'null,1', 'null,8')")
        _as_owner("DELETE FROM compliance_checkpoint")
        _rehash()
    _grow(20)
    assert checkpoints.write_due(is_forced=True) is None
    with clock.frozen_at(clock.now() + timedelta(days=1)):
        assert checkpoints.write_due() is None
    assert sorted(path.name for path in folder.glob("*/*.txt")) == before
    code, out = _run()
    assert code == 1
    first = 4 if is_rewritten else 10
    assert f"FAIL  checkpoint     size {first} ({first:012d}.txt): root differs" in out
    assert ("FAIL  checkpoint     1 more files disagree" in out) is is_rewritten
    assert "000000000010.txt was signed over another log" in find_rewrite()


def test_a_checkpoint_signed_over_the_rewritten_trail_hides_no_older_one(folder: Path) -> None:
    _grow(6)
    checkpoints.write_due(is_forced=True)
    (older,) = folder.glob("*/000000000010.txt")
    away = older.rename(folder / older.name)
    _as_owner("DELETE FROM compliance_auditevent WHERE sequence > 7")
    _as_owner("DELETE FROM compliance_checkpoint WHERE size > 7")
    _grow(20)
    assert checkpoints.write_due(is_forced=True)
    away.rename(older)
    code, out = _run()
    assert code == 1
    assert "size 10 (000000000010.txt): root differs" in out
    assert "OK    checkpoint     2 of 3 files agree" in out
