"""Output contracts: reading them, capping requests, judging answers."""

import pytest

from serving.domain.contract import ContractInvalid, OutputContract, judge
from serving.states import FailureKind

TRIAGE = OutputContract.from_json(
    {"max_tokens": 8, "pattern": r"(urgent|routine) (surgery|medicine)", "stop_reasons": ["stop"]}
)


@pytest.mark.parametrize(
    ("text", "finish", "tokens", "failure"),
    [
        ("urgent surgery", "stop", 3, FailureKind.NONE),
        ("urgent surgery", "length", 8, FailureKind.CONTRACT_BROKEN),
        ("urgent surgery", "stop", 9, FailureKind.CONTRACT_BROKEN),
        ("urgent surgery, please", "stop", 5, FailureKind.CONTRACT_BROKEN),
        ("urgent surgery\n", "stop", 4, FailureKind.CONTRACT_BROKEN),
        ("", "stop", 1, FailureKind.EMPTY),
        (" \n", "stop", 2, FailureKind.EMPTY),
    ],
)
def test_judging(text: str, finish: str, tokens: int, failure: FailureKind) -> None:
    assert judge(TRIAGE, text=text, finish=finish, completion_tokens=tokens) is failure


def test_without_a_contract_only_emptiness_fails() -> None:
    assert judge(None, text="anything", finish="length", completion_tokens=10**6) == ""
    assert judge(None, text=" ", finish="stop", completion_tokens=1) is FailureKind.EMPTY


def test_the_lower_limit_counts() -> None:
    assert TRIAGE is not None
    assert [TRIAGE.cap(limit) for limit in (None, 3, 100)] == [8, 3, 8]
    assert OutputContract().cap(None) is None


def test_a_contract_that_promises_nothing_is_none() -> None:
    assert OutputContract.from_json({}) is None
    assert OutputContract.from_json({"max_tokens": None, "stop_reasons": []}) is None


@pytest.mark.parametrize(
    "value",
    [
        {"max_token": 8},
        {"max_tokens": 0},
        {"max_tokens": True},
        {"max_tokens": "8"},
        {"pattern": "("},
        {"pattern": 1},
        {"stop_reasons": "stop"},
        {"stop_reasons": ["eos"]},
        {"stop_reasons": [[]]},
    ],
)
def test_what_is_malformed_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(ContractInvalid):
        OutputContract.from_json(value)
