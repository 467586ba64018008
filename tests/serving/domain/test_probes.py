"""When two probes come from the same weights."""

import pytest

from serving.domain.probes import PROMPTS, Probe, disagreement, is_same


def probe(tokens: list[int], margins: list[str]) -> Probe:
    filler = [([1], ["1"])] * (len(PROMPTS) - 1)
    rows = [(tokens, margins), *filler]
    return Probe.from_json({"tokens": [row[0] for row in rows], "margins": [r[1] for r in rows]})


def test_equal_tokens_agree_whatever_the_margins() -> None:
    assert disagreement(probe([1, 2], ["0.5", "0.1"]), probe([1, 2], ["0.4", "0.2"])) == ""
    assert not is_same(probe([1, 2], ["0.5", "0.1"]), probe([1, 2], ["0.4", "0.2"]))


def test_another_token_is_accepted_only_where_the_record_shows_a_tie() -> None:
    assert disagreement(probe([1, 2], ["0.5", "0.0009"]), probe([1, 3], ["0.5", "0"])) == ""
    found = disagreement(probe([1, 2], ["0.5", "0.001"]), probe([1, 3], ["0.5", "0"]))
    assert found == "prompt 1, token 2: another token, recorded margin 0.001"


def test_after_a_tie_nothing_is_compared() -> None:
    recorded = probe([1, 2, 3], ["0.0001", "5", "5"])
    assert disagreement(recorded, probe([9, 8, 7], ["0", "0", "0"])) == ""


def test_an_answer_that_ends_earlier_is_another_answer() -> None:
    assert disagreement(probe([1, 2], ["5", "5"]), probe([1], ["5"]))
    assert disagreement(probe([1], [""]), probe([2], [""])).endswith("not recorded")


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"tokens": [], "margins": []},
        {"tokens": [[1]] * len(PROMPTS), "margins": [["1", "2"]] * len(PROMPTS)},
        {"tokens": [["1"]] * len(PROMPTS), "margins": [["1"]] * len(PROMPTS)},
        {"tokens": [[1]] * len(PROMPTS), "margins": [["much"]] * len(PROMPTS)},
    ],
)
def test_a_malformed_probe_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        Probe.from_json(value)
