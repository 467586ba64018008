"""The page of an evaluation: its sentence, its filters, its pages, and who may read its texts."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compliance.models import AuditEvent, EvaluationRun
from compliance.services import evaluation_sets, evaluations
from config.accounts.selectors import actor_of
from config.console.selectors.evaluations import SIZE
from tests.factories import console, registry

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def two(world):
    """A live version with 100 of 120 right, and one with 96: others of them."""
    adults = console.evaluation_set(world, name="adults", size=120, level="adult")
    v1, v2 = console.version(world, name="v1"), console.version(world, name="v2")
    old = console.evaluate(world, v1, adults, right=100)
    new = console.evaluate(world, v2, adults, right=96)
    registry.go_live(v1)
    return old, new


def _path(run):
    return f"/console/evaluations/{run.uuid}/"


def _text(answer):
    assert answer.status_code == 200
    return answer.content.decode().replace("&#x27;", "'")


def _cases(answer):
    return [row.index for row, _ in answer.context["cases"]]


def test_the_first_line_says_what_came_out(world, as_user, two):
    old, new = two
    client = as_user(world.reviewer)
    text = _text(client.get(_path(new)))
    assert "96 of 120 right, at least 73 % (95 % sure)" in text
    assert "4 wrong that v1 had right, 0 the other way round." in text
    assert "No case is wrong" not in text
    assert "100 of 120 right" in _text(client.get(_path(old)))


def test_filters_and_pages_by_key(world, as_user, two):
    _, new = two
    client = as_user(world.reviewer)
    assert _cases(client.get(f"{_path(new)}?show=wrong")) == list(range(96, 120))
    assert _cases(client.get(f"{_path(new)}?show=newly_wrong")) == [96, 97, 98, 99]
    seen, query = [], ""
    for _ in range(3):
        answer = client.get(f"{_path(new)}?{query}")
        seen += _cases(answer)
        query = answer.context["page"].next
    assert (seen, query) == (list(range(120)), "")
    assert _cases(client.get(f"{_path(new)}?after=49"))[0] == SIZE
    for query, said in (
        ("group=nobody", "This set has no such group."),
        ("against=nobody", "no evaluation on this set"),
        ("show=nobody", "“nobody” is no value of the filter “show”"),
    ):
        left_out = client.get(f"{_path(new)}?{query}")
        assert left_out.status_code == 200
        assert said in left_out.content.decode()


def test_groups_and_critical_cases(world, as_user):
    items = [
        {
            "text": f"Invented note {index}",
            "expected": console.CLASSES[index % 3],
            "groups": {
                "age_group": "child" if index < 12 else "adult",
                "critical": "yes" if index % 10 == 0 else "",
            },
        }
        for index in range(60)
    ]
    mixed = evaluation_sets.lock(
        name="mixed",
        version_name="1",
        items=items,
        prompt_template=console.TEMPLATE,
        user=world.engineer,
        actor=actor_of(world.engineer),
    )
    run = console.evaluate(world, console.version(world, name="v1"), mixed, right=30)
    client = as_user(world.reviewer)
    answer = client.get(f"{_path(run)}?show=critical")
    assert _cases(answer) == [0, 10, 20, 30, 40, 50]
    children = client.get(f"{_path(run)}?group=age_group: child&show=critical")
    assert _cases(children) == [0, 10]
    rates = {rate.name: (rate.correct, rate.n) for rate in answer.context["page"].rates}
    assert rates["age group: child"] == (12, 12)
    assert rates["age group: adult"] == (18, 48)
    # Too few to tell anything, and said so.
    assert "too few" in _text(answer)


def test_texts_are_shown_to_whoever_judges_and_on_record(world, as_user, two):
    _, new = two
    client = as_user(world.reviewer)
    plain = _text(client.get(f"{_path(new)}?show=newly_wrong"))
    assert "Invented note" not in plain
    assert not AuditEvent.objects.filter(action="evaluation.texts_read").exists()
    answer = client.post(f"{_path(new)}?show=newly_wrong", {"act": "texts"})
    text = _text(answer)
    assert [f"Invented note adults {n}" in text for n in (95, 96, 99, 100)] == [
        False,
        True,
        True,
        False,
    ]
    assert "no-store" in answer.headers["Cache-Control"]
    event = AuditEvent.objects.get(action="evaluation.texts_read")
    assert "97, 98, 99, 100" in event.body
    assert "Invented" not in event.body
    refused = as_user(world.operator).post(_path(new), {"act": "texts"})
    assert refused.status_code == 403
    assert "Invented note" not in refused.content.decode()
    assert AuditEvent.objects.filter(action="evaluation.texts_read").count() == 1


def test_progress_moves_while_it_runs_and_then_loads_the_page(world, as_user):
    adults = console.evaluation_set(world, name="adults", size=40, level="adult")
    version = console.version(world, name="v1")
    run = evaluations.request(
        version=version,
        evaluation_set=adults,
        user=world.engineer,
        actor=actor_of(world.engineer),
    )
    client = as_user(world.engineer)
    assert "It waits for a node" in _text(client.get(_path(run)))
    attempt = evaluations.begin(
        run_id=run.pk, node_name="node-1", engine_build="e", device="cpu", dtype="float32"
    )
    rows = [
        {"index": item.index, "answer": item.expected, "finish": "stop", "duration_ms": 4}
        for item in adults.items.order_by("index")
    ]
    evaluations.record(run_id=run.pk, attempt=attempt, rows=rows[:11])
    progress = client.get(f"{_path(run)}progress")
    assert "11 of 40 cases are answered on node-1." in _text(progress)
    assert 'hx-trigger="every 1s"' in _text(progress)
    assert "HX-Refresh" not in progress.headers
    assert "11 of 40" in _text(client.get(_path(run)))
    evaluations.record(run_id=run.pk, attempt=attempt, rows=rows)
    evaluations.finish(run_id=run.pk, attempt=attempt)
    ended = client.get(f"{_path(run)}progress")
    assert ended.headers["HX-Refresh"] == "true"
    assert "hx-trigger" not in _text(client.get(_path(run)))


def test_what_failed_says_why(world, as_user):
    adults = console.evaluation_set(world, name="adults", size=40, level="adult")
    run = evaluations.request(
        version=console.version(world, name="v1"),
        evaluation_set=adults,
        user=world.engineer,
        actor=actor_of(world.engineer),
    )
    evaluations.fail(run_id=run.pk, attempt=0, error="The version could not be loaded: no slot")
    text = _text(as_user(world.engineer).get(_path(run)))
    assert "It was given up after 0 of 40 cases." in text
    assert "The version could not be loaded: no slot" in text
    missing = as_user(world.engineer).get("/console/evaluations/" + str(world.adapter.uuid) + "/")
    assert missing.status_code == 404


def test_more_cases_ask_no_more_queries(world, as_user, two):
    old, new = two
    client = as_user(world.engineer)

    def count(run):
        with CaptureQueriesContext(connection) as seen:
            _text(client.get(_path(run)))
        return len(seen)

    before = count(new)
    for name in ("v3", "v4", "v5"):
        console.evaluate(world, console.version(world, name=name), old.evaluation_set, right=90)
    assert EvaluationRun.objects.count() == 5
    assert count(new) == before <= 30
