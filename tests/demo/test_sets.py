"""The demo's sets are the committed ones, disjoint, counted and within the token limits."""

import collections
import hashlib
import re

import pytest

from demo import generate, rules, task
from demo.model import BASE
from registry.sources.packaged_base import prepare_packaged_base

NAMES = ("eval_adults", "eval_children", "traffic_pool", "train")


@pytest.fixture(scope="module")
def sets():
    return {name: generate.read_set(name) for name in NAMES}


@pytest.fixture(scope="module")
def base():
    return prepare_packaged_base(BASE)


def test_digests_are_the_committed_ones():
    lines = (generate.DATA / generate.SUMS).read_text().splitlines()
    stated = {name: digest for digest, name in map(str.split, lines)}
    assert sorted(stated) == sorted(f"{name}.jsonl" for name in NAMES)
    for name, digest in stated.items():
        assert hashlib.sha256((generate.DATA / name).read_bytes()).hexdigest() == digest, name


def test_sets_are_disjoint_and_without_doubles(sets):
    notes = [item["note"].lower() for items in sets.values() for item in items]
    assert len(notes) == len(set(notes))


def test_groups_are_counted(sets):
    def groups(name):
        return collections.Counter(
            (item["groups"]["age_group"], item["groups"]["length"]) for item in sets[name]
        )

    assert groups("eval_adults") == {("adult", "short"): 120}
    assert groups("eval_children") == {("child", "short"): 60}
    pool = groups("traffic_pool")
    assert sum(pool.values()) == 100
    assert pool["adult", "long"] + pool["child", "long"] == 20
    assert pool["adult", "short"] and pool["child", "short"]
    assert len(sets["train"]) >= 600


def test_answers_have_the_contract_form(sets):
    for items in sets.values():
        for item in items:
            assert task.obeys_contract(item["answer"])
            assert re.fullmatch(task.ANSWER_PATTERN, item["answer"])
            assert task.is_right(item, item["answer"])
            assert not task.is_right(item, item["answer"] + " ")


def test_rules_for_children_differ_from_those_for_adults(sets):
    children = sets["eval_children"]
    differ = sum(item["answer"] != item["by_adult_rules"] for item in children)
    assert differ >= len(children) * 0.5
    assert all(item["answer"] == item["by_adult_rules"] for item in sets["eval_adults"])


def test_notes_hold_no_digits_and_name_nobody(sets):
    known = set()
    for items in sets.values():
        for item in items:
            assert item["note"].isascii()
            assert not re.search(r"\d|@|https?:", item["note"])
            known |= set(re.findall(r"(?<!^)(?<![.] )\b[A-Z][a-z]+", item["note"]))
    assert not known, "a capital inside a sentence may be a name"


def test_the_same_seed_draws_the_same_sets(sets, base):
    count = generate.prompt_counter(base)
    assert generate.draw_sets(seed=generate.SEED, count=count) == sets


def test_prompts_and_answers_keep_the_token_limits(sets, base):
    count = generate.prompt_counter(base)
    for items in sets.values():
        for item in items:
            tokens = count(item["note"])
            short = item["groups"]["length"] == "short"
            assert tokens == item["prompt_tokens"]
            assert tokens <= task.SHORT_PROMPT_TOKENS if short else tokens > 48
            assert tokens <= task.LONG_PROMPT_TOKENS


def test_every_answer_fits_with_its_end_token(base):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    for level in task.LEVELS:
        for department in task.DEPARTMENTS:
            ids = tokenizer.encode(task.answer_text(level, department), add_special_tokens=False)
            assert len(ids) + 1 <= task.MAX_TOKENS
            assert tokenizer.eos_token_id not in ids


@pytest.mark.parametrize(
    ("band", "sign", "rules_of", "expected"),
    [
        ("adult", None, "own", ("routine", "medicine")),
        ("child", None, "own", ("routine", "pediatrics")),
        ("infant", None, "own", ("emergency", "pediatrics")),
        ("infant", None, "adult", ("routine", "medicine")),
        ("adult", "stiff", "own", ("emergency", "neurology")),
        ("adult", "spots", "own", ("routine", "medicine")),
    ],
)
def test_rules_of_a_fever(band, sign, rules_of, expected):
    found = rules.outcome(complaint="chill", sign=sign, band=band, rules=rules_of)
    assert found == expected
