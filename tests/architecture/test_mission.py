"""The page of the mission lists every capability once and claims no test that is not there."""

import re

from tests.architecture import mission


def test_every_id_has_words_once() -> None:
    expected = [
        f"{letter}{number}"
        for letter, count in mission.COUNTS.items()
        for number in range(1, count + 1)
    ]
    assert list(mission.wording()) == expected
    assert len(expected) == 443
    assert all(words.strip() for words in mission.wording().values())


def test_the_yaml_says_no_id_twice() -> None:
    text = (mission.ROOT / "docs" / "mission.yaml").read_text()
    assert len(re.findall(r"^    \d+: ", text, re.M)) == 443


def test_every_id_of_a_test_is_one_of_the_mission() -> None:
    unknown = {
        item: found for item, found in mission.proofs().items() if item not in mission.wording()
    }
    assert not unknown


def test_the_page_is_current() -> None:
    assert mission.PAGE.read_text() == mission.page(), "run python -m tests.architecture.mission"


def test_the_page_lists_every_id_once_with_tests_that_exist() -> None:
    rows = re.findall(r"^\| ([SMLFA]\d+) \| .+ \| (.+) \|$", mission.PAGE.read_text(), re.M)
    assert [item for item, _ in rows] == list(mission.wording())
    for item, proof in rows:
        named = re.findall(r"\[`(test_\w+)`\]\(\.\./([^)]+)\)", proof)
        assert named or proof == "not yet"
        for name, file in named:
            assert re.search(rf"def {name}\(", (mission.ROOT / file).read_text()), f"{item}: {name}"
