"""CLN-01, CLN-02, CLN-04 and CLN-07 on counted outcomes."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.checks import CHECKS
from compliance.checks.runner import run, run_checks
from compliance.domain.policy import CURRENT
from compliance.domain.results import CheckResult, State, Verdict, verdict
from compliance.domain.snapshot import Snapshot, assemble
from tests.compliance.checks.evidence import (
    ADULT,
    CHILD,
    adults_and_children,
    evaluation,
    rows,
    version,
)


def result(check_id: str, snapshot: Snapshot) -> CheckResult:
    check = next(check for check in CHECKS if check.id == check_id)
    return run_checks([check], snapshot, CURRENT)[0]


def texts(found: CheckResult) -> str:
    return " ".join(f"{f.message} {f.fix} {f.object}" for f in found.findings)


@pytest.mark.parametrize(
    ("adults", "children", "state"),
    [
        (120, 60, State.PASS),
        (100, 50, State.PASS),  # 150 of 180: the lower bound is 78 %
        (115, 33, State.FAIL),  # children at 55 %
        (110, 53, State.PASS),  # children at 88 %
        (116, 38, State.FAIL),  # children at 63 %, upper bound 73 %
        (114, 42, State.PASS),  # children at 70 %: not shown to be below 75 %
        (70, 40, State.FAIL),
        (93, 46, State.INSUFFICIENT_EVIDENCE),  # 77 %: the rate would do, 180 items do not
    ],
)
def test_cln_01_on_adults_and_children(adults: int, children: int, state: State) -> None:
    found = result("CLN-01", version(adults_and_children(adults, children)))
    assert found.state is state, texts(found)
    assert found.is_blocking is (state is not State.PASS)
    assert {row["level"] for row in found.values["groups"]} == {"adult", "child"}


@settings(max_examples=60)
@given(st.integers(0, 120), st.integers(0, 60))
def test_cln_01_never_gets_worse_by_a_right_answer(adults: int, children: int) -> None:
    order = [State.FAIL, State.INSUFFICIENT_EVIDENCE, State.PASS]
    now = result("CLN-01", version(adults_and_children(adults, children))).state
    if adults < 120:
        better = result("CLN-01", version(adults_and_children(adults + 1, children))).state
        assert order.index(better) >= order.index(now)
    if children < 60:
        better = result("CLN-01", version(adults_and_children(adults, children + 1))).state
        assert order.index(better) >= order.index(now)
    if children <= 39:
        assert now is State.FAIL


def test_cln_01_says_how_many_items_it_takes() -> None:
    found = result("CLN-01", version([evaluation("s", rows("adult", 36, 40))], safety_class="C"))
    assert found.state is State.INSUFFICIENT_EVIDENCE
    assert "you need" in texts(found)
    assert "36/40" in texts(found)


def test_cln_01_with_few_items_or_none() -> None:
    few = result("CLN-01", version([evaluation("s", rows("adult", 34, 34))]))
    assert few.state is State.INSUFFICIENT_EVIDENCE
    assert "at least 35" in texts(few)
    assert result("CLN-01", version([])).state is State.INSUFFICIENT_EVIDENCE
    unlabelled = assemble(package=None, base=None)
    assert result("CLN-01", unlabelled).state is State.INSUFFICIENT_EVIDENCE


def test_cln_01_judges_sensitivity_and_specificity_of_a_binary_task() -> None:
    good = rows("adult", 200, 200, classes=("ill", "well"))
    label = {"task_kind": "binary", "positive_class": "ill"}
    passed = result("CLN-01", version([evaluation("s", good)], label=label, safety_class="B"))
    assert passed.state is State.PASS
    assert [row["name"] for row in passed.values["measures"]] == ["sensitivity", "specificity"]
    blind = [{**row, "given": "well"} for row in good]
    failed = result("CLN-01", version([evaluation("s", blind)], label=label, safety_class="B"))
    assert failed.state is State.FAIL
    assert "evaluation:sensitivity" in texts(failed)


def test_cln_01_counts_an_answer_that_is_no_class_as_wrong() -> None:
    empty = [{**row, "given": "", "expected": ""} for row in rows("adult", 60, 60)]
    assert result("CLN-01", version([evaluation("s", empty)])).state is State.FAIL


def test_an_item_in_two_sets_counts_once_and_as_wrong_if_it_was_wrong_anywhere() -> None:
    right, wrong = rows("adult", 60, 60), rows("adult", 0, 60)
    found = result("CLN-01", version([evaluation("s", right), evaluation("t", wrong)]))
    assert found.values["measures"][0]["items"] == 60
    assert found.state is State.FAIL


def test_only_the_last_run_on_a_set_counts() -> None:
    early = evaluation("s", rows("adult", 0, 60), run="1", finished_at="2026-01-01T00:00:00Z")
    late = evaluation("s", rows("adult", 60, 60), run="2", finished_at="2026-02-01T00:00:00Z")
    for order in ([early, late], [late, early]):
        assert result("CLN-01", version(order)).state is State.PASS


def test_cln_02_is_not_applicable_when_nothing_is_replaced() -> None:
    found = result("CLN-02", version(adults_and_children(100, 50)))
    assert found.state is State.NOT_APPLICABLE
    assert found.findings[0].message


@pytest.mark.parametrize(
    ("new", "old", "state"),
    [
        ((115, 57), (100, 50), State.PASS),
        ((115, 57), (115, 57), State.PASS),
        ((115, 35), (115, 57), State.FAIL),
        ((112, 54), (115, 57), State.INSUFFICIENT_EVIDENCE),
    ],
)
def test_cln_02_on_the_union(new: tuple[int, int], old: tuple[int, int], state: State) -> None:
    snapshot = version(adults_and_children(*new), old=adults_and_children(*old))
    found = result("CLN-02", snapshot)
    assert found.state is state, texts(found)
    assert found.values["lost"] == len(found.values["newly_wrong"])
    assert {row["group"] for row in found.values["groups"]} == {
        "age_group=adult",
        "age_group=child",
    }


def test_cln_02_names_a_population_that_got_worse() -> None:
    snapshot = version(adults_and_children(120, 40), old=adults_and_children(100, 60))
    found = result("CLN-02", snapshot)
    assert "population:age_group=child" in [f.object for f in found.findings]
    assert set(found.values["newly_wrong"]) == {f"child-{i:04}" for i in range(40, 60)}


def test_cln_02_wants_both_versions_on_the_same_items() -> None:
    only_adults = adults_and_children(100, 50)[:1]
    found = result("CLN-02", version(adults_and_children(115, 57), old=only_adults))
    assert found.state is State.INSUFFICIENT_EVIDENCE
    assert "triage@000000000000" in texts(found)
    fewer = result(
        "CLN-02", version(adults_and_children(115, 57)[:1], old=adults_and_children(100, 50))
    )
    assert not fewer.is_blocking
    assert "60 items" in texts(fewer)


def test_cln_02_says_that_small_margins_need_more_items() -> None:
    equal = adults_and_children(115, 57)
    found = result("CLN-02", version(equal, old=equal, safety_class="C"))
    assert found.state is State.INSUFFICIENT_EVIDENCE
    assert "-0.02" in texts(found)
    assert "items" in found.findings[0].fix


def test_cln_04_blocks_a_named_population_without_cases() -> None:
    found = result("CLN-04", version(adults_and_children(115, 57)[:1]))
    assert found.state is State.FAIL
    assert found.is_blocking
    assert "population:children" in texts(found)
    assert "Only 0 cases for children" in texts(found)


@given(st.integers(0, 60))
@settings(max_examples=30)
def test_cln_04_needs_twenty_cases(n: int) -> None:
    runs = [evaluation("a", rows("adult", 100, 100)), evaluation("c", rows("child", n, n))]
    assert result("CLN-04", version(runs)).is_blocking is (n < 20)


def test_cln_04_without_named_populations_warns() -> None:
    found = result("CLN-04", version(adults_and_children(115, 57), strata=()))
    assert found.state is State.WARN
    assert not found.is_blocking


def test_cln_04_refuses_an_attribute_that_is_mostly_missing() -> None:
    runs = [evaluation("a", rows("adult", 60, 60)), evaluation("n", rows(None, 20, 20))]
    found = result("CLN-04", version(runs, strata=[ADULT]))
    assert found.state is State.FAIL
    assert "attribute:age_group" in texts(found)


def test_cln_04_compares_the_stated_share_of_patients() -> None:
    strata = [{**ADULT, "target_share": "0.3"}, {**CHILD, "target_share": "0.7"}]
    found = result("CLN-04", version(adults_and_children(115, 57), strata=strata))  # type: ignore[arg-type]
    assert found.state is State.WARN
    assert not found.is_blocking


@pytest.mark.parametrize(
    "changes",
    [
        {"adapter_sha256": "e" * 64},
        {"base_sha256": "e" * 64},
        {"tokenizer_sha256": ""},
        {"prompt_template_sha256": "e" * 64},
        {"engine_build": "torch-2"},
        {"dtype": "bfloat16"},
        {"finished_at": "2025-08-01T00:00:00Z"},
        {"finished_at": "2026-03-02T00:00:00Z"},
        {"metric_code": "somebody's"},
        {"correct": 60},
        {"items": 61},
    ],
)
def test_cln_07_refuses_what_does_not_belong(changes: dict[str, Any]) -> None:
    run_on = evaluation("s", rows("adult", 59, 60), **changes)
    found = result("CLN-07", version([run_on]))
    assert found.state is State.FAIL
    assert found.findings[0].fix
    assert "run-s" in found.findings[0].object


def test_cln_07_passes_a_fresh_run_of_this_version() -> None:
    found = result("CLN-07", version(adults_and_children(115, 57)))
    assert found.state is State.PASS
    later = result("CLN-07", version(adults_and_children(115, 57), now="2026-04-01T00:00:00Z"))
    assert later.result_sha256 == found.result_sha256
    assert result("CLN-07", version([])).state is State.INSUFFICIENT_EVIDENCE


def test_the_third_adapter_of_the_main_job_is_refused_at_both_doors() -> None:
    before = adults_and_children(115, 57)
    first = run(version(before[:1], old=before), CURRENT, {"evidence"})
    assert verdict(first) is Verdict.BLOCKED
    assert [r.check_id for r in first if r.is_blocking] == ["CLN-04"]
    with_children = run(version(adults_and_children(115, 12), old=before), CURRENT, {"evidence"})
    assert {r.check_id for r in with_children if r.is_blocking} == {"CLN-01", "CLN-02"}


@settings(max_examples=25)
@given(st.integers(0, 120), st.integers(0, 60), st.sampled_from("ABC"))
def test_evidence_checks_replay_to_the_same_hash(adults: int, children: int, grade: str) -> None:
    import json

    snapshot = version(
        adults_and_children(adults, children), safety_class=grade, old=adults_and_children(90, 45)
    )
    again = json.loads(json.dumps(snapshot))
    first, second = (run(s, CURRENT, {"evidence"}) for s in (snapshot, again))
    assert [r.result_sha256 for r in first] == [r.result_sha256 for r in second]
    assert first == second
