"""Evaluation sets and runs: locked, encrypted, graded, idempotent, reused."""

import json
from datetime import timedelta
from typing import Any

import pytest

from compliance.domain.grading import exact_match
from compliance.errors import (
    AttemptOver,
    ChecksNotPassed,
    DigestIsStopped,
    SetExists,
    SetInvalid,
)
from compliance.models import (
    AuditEvent,
    EvaluationItem,
    EvaluationRow,
    EvaluationRun,
    Permission,
)
from compliance.selectors import comparison, evaluation_summary, prompts
from compliance.services import evaluation_sets, evaluations, stops
from compliance.states import RunState
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.core import clock, keys
from config.core.digests import sha256_hex
from registry.models import Version
from tests.factories import accounts
from tests.factories import compliance as c
from tests.factories import registry as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> Version:
    made = make.version(of=make.adapter(safety_class="A"))
    c.run_checks(made)
    return made


def _request(version: Version, on: Any = None, **values: Any) -> EvaluationRun:
    user = version.submitted_by
    return evaluations.request(
        version=version,
        evaluation_set=on or c.evaluation_set(),
        user=user,
        actor=actor_of(user),
        **values,
    )


def _begin(run: EvaluationRun, **changed: str) -> int | None:
    engine = {"node_name": "n1", "engine_build": "b1", "device": "cpu", "dtype": "f32"}
    return evaluations.begin(run_id=run.pk, **{**engine, **changed})


def _lock(**changed: Any) -> Any:
    user = accounts.user(Role.REVIEWER)
    values = {
        "name": "golden",
        "version_name": "1",
        "items": c.items(3),
        "prompt_template": c.TEMPLATE,
        "user": user,
        "actor": actor_of(user),
    }
    return evaluation_sets.lock(**{**values, **changed})


def test_texts_are_stored_encrypted_only() -> None:
    given = c.items(2)
    row = c.evaluation_set(given=given)
    stored = EvaluationItem.objects.filter(evaluation_set=row).order_by("index")
    for item, source in zip(stored, given, strict=True):
        text = bytes(item.text_encrypted)
        assert source["text"].encode() not in text
        assert keys.decrypt(text) == source["text"]
        assert item.item_sha256 not in {sha256_hex(source["text"].encode())}
    for event in AuditEvent.objects.all():
        assert given[0]["text"] not in event.body


def test_a_set_has_the_digest_of_its_file() -> None:
    content = b"".join(json.dumps(item).encode() + b"\n" for item in c.items(4))
    user = accounts.user(Role.REVIEWER)
    row = evaluation_sets.lock_lines(
        content=content,
        name="adults",
        version_name="2",
        prompt_template=c.TEMPLATE,
        user=user,
        actor=actor_of(user),
    )
    assert (row.sha256, row.items_count) == (sha256_hex(content), 4)
    assert row.group_fields == ["age_group"]


def test_a_set_never_changes() -> None:
    items = c.items(3)
    row = _lock(items=items)
    assert _lock(items=items) == row
    with pytest.raises(SetExists, match="sha256"):
        _lock(items=c.items(3))
    with pytest.raises(SetExists, match="max_tokens"):
        _lock(items=items, max_tokens=99)


@pytest.mark.parametrize(
    "changed, where",
    [
        ({"items": []}, "items"),
        ({"items": [{"text": "a"}]}, "items/0"),
        ({"items": [{"text": "a", "expected": "b", "groups": {"x": {}}}]}, "items/0"),
        ({"items": ["a"]}, "items/0"),
        ({"prompt_template": [{"role": "user", "content": "no place"}]}, "prompt_template"),
        ({"prompt_template": [{"role": "tool", "content": "{text}"}]}, "prompt_template"),
        ({"grader": "magic"}, "grader"),
        ({"max_tokens": 0}, "max_tokens"),
    ],
)
def test_a_malformed_set_is_refused_by_place(changed: dict[str, Any], where: str) -> None:
    with pytest.raises(SetInvalid) as invalid:
        _lock(**changed)
    assert invalid.value.errors[0]["field"] == where


def test_a_line_that_is_no_json_is_named_and_not_shown() -> None:
    user = accounts.user(Role.REVIEWER)
    with pytest.raises(SetInvalid) as invalid:
        evaluation_sets.lock_lines(
            content=b'{"text": "Mrs Secret\n{"id": 1, "expected": "a", "expected": "b"}',
            name="x",
            version_name="1",
            prompt_template=c.TEMPLATE,
            user=user,
            actor=actor_of(user),
        )
    assert invalid.value.errors == [
        {"line": 1, "message": "is not JSON"},
        {"line": 2, "message": "has a member twice"},
    ]
    assert "Secret" not in str(invalid.value)


@pytest.mark.parametrize(
    "answer, given, is_correct",
    [
        ("urgent", "urgent", True),
        ("  Urgent \n", "urgent", True),
        ("very  URGENT", "very urgent", False),
        ("soon", "soon", False),
        ("Mrs Secret is urgent", "", False),
        ("", "", False),
    ],
)
def test_exact_match_gives_a_class_or_nothing(answer: str, given: str, is_correct: bool) -> None:
    grade = exact_match(answer, "urgent", ["routine", "soon", "urgent", "very urgent"])
    assert (grade.given, grade.is_correct) == (given, is_correct)


def test_nothing_runs_before_the_package_checks_have_passed() -> None:
    version = make.version()
    with pytest.raises(ChecksNotPassed):
        _request(version)
    assert AuditEvent.objects.filter(action="evaluation.refused").count() == 1


def test_a_stopped_digest_is_not_evaluated(version: Version) -> None:
    user = version.submitted_by
    stops.issue(digest=version.digest, reason="wrong", user=user, actor=actor_of(user))
    with pytest.raises(DigestIsStopped):
        _request(version)


def test_a_run_has_a_permission_of_its_own_until_it_ends(version: Version) -> None:
    run = _request(version)
    permission = Permission.objects.get(run=run)
    assert (permission.purpose, permission.digest) == ("evaluate", version.digest)
    c.answer(run)
    permission.refresh_from_db()
    assert permission.ended_at is not None


def test_rows_are_graded_and_counted(version: Version) -> None:
    run = _request(version)
    c.answer(run, lambda text: "urgent")
    run.refresh_from_db()
    assert (run.state, run.rows_done, run.correct_count) == (RunState.DONE, 60, 20)
    assert (run.metric_code, run.engine_build, run.dtype) == ("exact_match@1", "torch-1", "f32")
    row = EvaluationRow.objects.filter(run=run).first()
    assert row is not None and row.answer_encrypted is not None
    assert keys.decrypt(bytes(row.answer_encrypted)) == "urgent"


def test_an_answer_that_is_no_class_is_stored_encrypted_only(version: Version) -> None:
    run = _request(version)
    c.answer(run, lambda text: "Mrs Secret should rest")
    assert set(run.rows.values_list("given", flat=True)) == {""}
    assert "Secret" not in str(list(EvaluationRow.objects.values("given", "groups", "finish")))


def test_the_same_row_twice_is_one_row(version: Version) -> None:
    run = _request(version)
    attempt = _begin(run)
    assert attempt == 1
    row = {"index": 0, "answer": "routine", "finish": "stop", "duration_ms": 1}
    assert evaluations.record(run_id=run.pk, attempt=1, rows=[row]) == 1
    assert evaluations.record(run_id=run.pk, attempt=1, rows=[{**row, "answer": "soon"}]) == 1
    assert EvaluationRow.objects.get(run=run).given == "routine"
    assert [prompt.index for prompt in prompts(run)][:2] == [1, 2]


def test_a_run_is_not_finished_before_every_item_has_a_row(version: Version) -> None:
    run = _request(version)
    attempt = _begin(run) or 0
    with pytest.raises(AttemptOver, match="0 of 60"):
        evaluations.finish(run_id=run.pk, attempt=attempt)


def test_a_second_worker_waits_until_the_first_is_dead(version: Version) -> None:
    run = _request(version)
    assert _begin(run) == 1
    assert _begin(run) is None
    with clock.frozen_at(clock.now() + timedelta(seconds=50)):
        evaluations.touch(run_id=run.pk, attempt=1)
        assert _begin(run) is None
    with clock.frozen_at(clock.now() + timedelta(seconds=120)):
        assert _begin(run) == 2
        with pytest.raises(AttemptOver):
            evaluations.record(run_id=run.pk, attempt=1, rows=[])
        with pytest.raises(AttemptOver):
            evaluations.touch(run_id=run.pk, attempt=1)


def test_rows_of_another_engine_are_not_kept(version: Version) -> None:
    run = _request(version)
    _begin(run)
    evaluations.record(run_id=run.pk, attempt=1, rows=[{"index": 0, "answer": "soon"}])
    with clock.frozen_at(clock.now() + timedelta(seconds=120)):
        assert _begin(run) == 2
        assert run.rows.count() == 1
    with clock.frozen_at(clock.now() + timedelta(seconds=240)):
        assert _begin(run, engine_build="b2") == 3
        assert run.rows.count() == 0


def test_a_failed_run_ends_its_permission_and_can_be_asked_for_again(version: Version) -> None:
    on = c.evaluation_set()
    run = _request(version, on)
    attempt = _begin(run) or 0
    evaluations.fail(run_id=run.pk, attempt=attempt, error="the node went away")
    run.refresh_from_db()
    assert (run.state, run.error) == (RunState.FAILED, "the node went away")
    assert not Permission.objects.filter(run=run, ended_at__isnull=True).exists()
    assert _request(version, on).pk != run.pk


def test_a_recorded_run_is_reused_while_it_is_bound_to_the_same(version: Version) -> None:
    on = c.evaluation_set()
    run = _request(version, on)
    assert _request(version, on).pk == run.pk
    c.answer(run)
    assert _request(version, on).pk == run.pk
    assert _request(version, on, engine_build="torch-1", dtype="f32").pk == run.pk
    assert _request(version, on, engine_build="torch-2").pk != run.pk


def test_an_old_run_is_not_reused(version: Version) -> None:
    on = c.evaluation_set()
    run = _request(version, on)
    c.answer(run)
    with clock.frozen_at(clock.now() + timedelta(days=181)):
        assert _request(version, on).pk != run.pk


def test_the_summary_counts_in_all_and_by_group_M109(version: Version) -> None:
    adults, children = c.items(60), c.items(30, age_group="child")
    c.evaluated(version, on=c.evaluation_set(given=adults))
    c.evaluated(version, on=c.evaluation_set(given=children), how=lambda text: "soon")
    rows = {
        (row.set_name == "", row.attribute, row.level): (row.correct, row.n)
        for row in evaluation_summary(version)
        if row.set_name == ""
    }
    assert rows == {
        (True, "", ""): (70, 90),
        (True, "age_group", "adult"): (60, 60),
        (True, "age_group", "child"): (10, 30),
    }
    whole = next(row for row in evaluation_summary(version) if row.set_name == "")
    assert 0 < whole.wilson_low < 70 / 90 < whole.wilson_high < 1


def test_versions_are_compared_on_the_items_that_both_answered(version: Version) -> None:
    on = c.evaluation_set()
    other = make.version(of=version.adapter)
    assert comparison(other, version) is None
    c.evaluated(version, on=on, how=lambda text: "urgent")
    c.evaluated(other, on=on)
    found = comparison(other, version)
    assert found is not None
    assert (found.b, found.c, found.n) == (40, 0, 60)
    assert found.low < found.difference == 40 / 60 < found.high
    assert found.mcnemar_p < 1e-9
