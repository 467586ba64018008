"""The record's projection and its differences."""

from typing import Any

import pytest

from compliance.domain import record
from compliance.domain.record import RecordFacts, differences, is_version_bound, project

RUN = {
    "run": "r1",
    "set": "adults 1",
    "set_sha256": "a",
    "prompt_template_sha256": "b",
    "adapter_sha256": "c",
    "base_sha256": "d",
    "engine_build": "e",
    "dtype": "f32",
    "items": 3,
    "correct": 2,
    "rows_sha256": "f",
}
CHECK = {
    "check_run": "k",
    "check_id": "TEC-01",
    "check_version": "1",
    "state": "pass",
    "result_sha256": "g",
}


def facts(**changed: Any) -> RecordFacts:
    values: dict[str, Any] = {
        "version": {"uuid": "v", "number": 1, "version_name": "v1", "manifest_sha256": "m"},
        "adapter": {"uuid": "a", "ref": "triage", "safety_class": "A", "name": "Triage"},
        "base": {"slug": "s", "digest": "d", "tokenizer_sha256": "t", "chat_template_sha256": ""},
        "label": {
            "purpose": "p",
            "population": [{"attribute": "age_group", "level": "adult"}],
            "setting": "",
            "language": "en",
            "limits": "",
            "touches_phi": False,
        },
        "policy_version": "us-2026-02",
        "evaluations": (RUN,),
        "checks": (CHECK, {**CHECK, "check_id": "CLN-01"}),
    }
    return RecordFacts(**{**values, **changed})


def test_the_same_facts_are_the_same_bytes() -> None:
    other = facts(checks=({**CHECK, "check_id": "CLN-01"}, CHECK))
    assert project(facts(), schema=1) == project(other, schema=1)


def test_a_fact_that_the_schema_does_not_take_changes_nothing() -> None:
    named = facts(adapter={"uuid": "a", "ref": "triage", "safety_class": "A", "name": "New"})
    more = facts(label={**facts().label, "reviewed_every_days": 90})
    assert project(named, schema=1) == project(facts(), schema=1) == project(more, schema=1)


def test_a_later_schema_leaves_the_first_one_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    before = project(facts(), schema=1)

    def project_2(given: RecordFacts) -> dict[str, Any]:
        return {**record.project_1(given), "record_schema": 2, "name": given.adapter["name"]}

    monkeypatch.setitem(record.PROJECTIONS, 2, project_2)
    assert record.current_schema() == 2
    assert project(facts(), schema=1) == before
    assert project(facts(), schema=2) != before


def test_an_unknown_schema_is_refused() -> None:
    with pytest.raises(KeyError):
        project(facts(), schema=99)


def test_differences_name_the_place() -> None:
    old = {"label": {"population": [{"level": "adult"}], "limits": ""}, "gone": 1}
    new = {"label": {"population": [{"level": "child"}], "limits": ""}, "new": 2}
    assert differences(old, new) == [
        {"field": "gone", "signed": 1, "now": None},
        {"field": "label.population[0].level", "signed": "adult", "now": "child"},
        {"field": "new", "signed": None, "now": 2},
    ]
    longer = differences({"a": [1]}, {"a": [1, 2]})
    assert longer == [{"field": "a", "signed": [1], "now": [1, 2]}]


def test_live_gates_are_no_part_of_a_record() -> None:
    bound = ["TEC-01", "SEC-02", "CLN-04", "HIP-01", "HIP-03", "FDA-07"]
    assert all(is_version_bound(check_id) for check_id in bound)
    live = ["HIP-04", "HIP-06", "HIP-10", "P11-03", "GOV-01"]
    assert not any(is_version_bound(check_id) for check_id in live)
