"""One evaluation and the comparison of two versions, in a browser."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from compliance.models import AuditEvent
from compliance.services import evaluation_sets, evaluations
from config.accounts.selectors import actor_of
from tests.factories import console, registry

from .conftest import NARROW, WIDE, apart, furnished


def _build() -> SimpleNamespace:
    world = console.world()
    items = [
        {
            "text": f"Invented note {index}: pain since this morning",
            "expected": console.CLASSES[index % 3],
            "groups": {
                "age_group": "child" if index % 4 == 0 else "adult",
                "critical": "yes" if index % 9 == 0 else "no",
            },
        }
        for index in range(120)
    ]
    mixed = evaluation_sets.lock(
        name="front-desk",
        version_name="1",
        items=items,
        prompt_template=console.TEMPLATE,
        user=world.engineer,
        actor=actor_of(world.engineer),
    )
    other = console.evaluation_set(world, name="night", size=60, level="adult")
    v1, v2 = console.version(world, name="v1"), console.version(world, name="v2")
    console.evaluate(world, v1, mixed, right=112)
    run = console.evaluate(world, v2, mixed, right=104)
    registry.go_live(v1)
    waiting = evaluations.request(
        version=v2, evaluation_set=other, user=world.engineer, actor=actor_of(world.engineer)
    )
    return SimpleNamespace(world=world, run=run, waiting=waiting, other=other)


@pytest.fixture(scope="module")
def house(database: None) -> Iterator[SimpleNamespace]:
    """A smaller one than the other pages': two versions and what they answered."""
    yield from furnished(_build)


@pytest.mark.parametrize("look", ["light", "dark"])
def test_the_pages_in_every_look(
    house: SimpleNamespace, desk: Callable[..., Any], look: str
) -> None:
    seat = desk(house.world.reviewer, color_scheme=look)
    for name, path in {
        "evaluation": f"/console/evaluations/{house.run.uuid}/",
        "compare": "/console/compare/?a=triage@v1&b=triage@v2",
        "compare-unknown": "/console/compare/?a=triage@v1&b=triage@v9",
    }.items():
        assert seat.open(path).status == 200
        seat.picture(f"{name}-{look}")
        assert seat.violations() == []
        assert seat.overflow_pixels() <= 0
        seat.page.set_viewport_size(NARROW)
        assert seat.overflow_pixels() <= 0
        seat.picture(f"{name}-narrow-{look}")
        seat.page.set_viewport_size(WIDE)
    assert seat.errors == []


def test_newly_wrong_cases_and_their_texts(
    house: SimpleNamespace, desk: Callable[..., Any]
) -> None:
    seat = desk(house.world.reviewer)
    seat.open(f"/console/evaluations/{house.run.uuid}/")
    page = seat.page
    page.select_option("#show", "newly_wrong")
    page.select_option("#group", "age_group: child")
    page.click("form.fm-filters button")
    page.wait_for_url("**show=newly_wrong**")
    assert "Invented note" not in page.inner_text("main")
    page.focus("button[value=texts]")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Invented note 104: pain since this morning")
    assert "Invented note 105" not in seat.told()
    assert "Invented" not in page.url
    seat.picture("evaluation-texts-light")
    assert seat.violations() == []
    event = apart(lambda: AuditEvent.objects.get(action="evaluation.texts_read"))
    assert "Invented" not in event.body
    assert seat.errors == []


def test_progress_moves_without_reload(house: SimpleNamespace, desk: Callable[..., Any]) -> None:
    seat = desk(house.world.engineer)
    seat.open(f"/console/evaluations/{house.waiting.uuid}/")
    page = seat.page
    assert "It waits for a node" in page.inner_text("main")
    rows = apart(
        lambda: [
            {"index": item.index, "answer": item.expected, "finish": "stop", "duration_ms": 4}
            for item in house.other.items.order_by("index")
        ]
    )
    run_id = house.waiting.pk
    attempt = apart(
        lambda: evaluations.begin(
            run_id=run_id, node_name="node-1", engine_build="e", device="cpu", dtype="float32"
        )
    )
    apart(lambda: evaluations.record(run_id=run_id, attempt=attempt, rows=rows[:23]))
    page.wait_for_selector("text=23 of 60 cases are answered on node-1.")
    seat.picture("evaluation-running-light")
    assert seat.violations() == []
    apart(lambda: evaluations.record(run_id=run_id, attempt=attempt, rows=rows))
    apart(lambda: evaluations.finish(run_id=run_id, attempt=attempt))
    page.wait_for_selector("text=60 of 60 right")
    assert seat.errors == []


def test_two_versions_are_chosen_by_the_keyboard(
    house: SimpleNamespace, desk: Callable[..., Any]
) -> None:
    seat = desk(house.world.engineer)
    seat.open("/console/compare/")
    page = seat.page
    page.focus("#a")
    page.keyboard.type("triage@v1")
    page.keyboard.press("Tab")
    page.keyboard.type("triage@v2")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('v1 and v2')")
    assert "Norm of the update by layer and module" in seat.told()
    page.click("text=Swap")
    page.wait_for_selector("h1:has-text('v2 and v1')")
    assert seat.errors == []
