"""The rules of composing, for every prompt set that there could be."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliveries.domain.composing import NOTHING_ACTIVE, Candidate, NullOrdinal, choose, join
from deliveries.domain.composition_formats import Format, render
from deliveries.domain.token_format import DEFAULT, TokenFormat

FORMAT = TokenFormat.parse(DEFAULT)
NAMES = st.sampled_from(["a", "b", "B", "style anime", "ä", "Z_9", "{weight}"])
CANDIDATES = st.lists(
    st.builds(
        Candidate,
        id=st.uuids().map(str),
        name=NAMES,
        weight=st.one_of(
            st.sampled_from([0.0, -0.0, 0.0004, -0.0004, 1.0]),
            st.floats(-100, 100, allow_nan=False),
        ),
        ordinal=st.one_of(st.none(), st.integers(-3, 3)),
        left_out=st.sampled_from(["", "", "", "it was stopped"]),
    ),
    max_size=9,
    unique_by=lambda each: each.id,
)
TEXTS = st.text("ab \n\t", max_size=6)


def oracle(candidates: list[Candidate], null_ordinal: NullOrdinal) -> list[tuple[str, float]]:
    """The rules as they are written, step by step: names and weights in their order."""
    allowed = [each for each in candidates if not each.left_out]
    if null_ordinal is NullOrdinal.ZERO:
        allowed = [replace(each, ordinal=each.ordinal or 0) for each in allowed]
    numbered = [each for each in allowed if each.ordinal is not None]
    others = [each for each in allowed if each.ordinal is None]
    numbered.sort(key=lambda each: (each.ordinal, each.name, each.id))
    others.sort(key=lambda each: (each.name, each.id))
    names: list[str] = []
    for each in numbered + others:
        if each.name not in names:
            names.append(each.name)
    return [(name, max(each.weight for each in allowed if each.name == name)) for name in names]


@given(CANDIDATES, st.sampled_from(NullOrdinal), st.randoms(), TEXTS, TEXTS)
def test_the_rules_of_composing_hold_for_every_prompt_set_L67(
    candidates: list[Candidate],
    null_ordinal: NullOrdinal,
    random: Any,
    prefix: str,
    suffix: str,
) -> None:
    composed = choose(candidates, null_ordinal=null_ordinal, token_format=FORMAT)
    expected = oracle(candidates, null_ordinal)
    chosen = [each.candidate for each in composed.chosen]
    assert [(each.name, each.weight) for each in chosen] == expected
    for each, token in zip(chosen, composed.tokens, strict=True):
        number = token.removeprefix(f"<lora:{each.name}:").removesuffix(">")
        assert number == f"{float(number):.3f}"
        assert abs(float(number) - each.weight) <= 0.0005 + 1e-9
        assert number != "-0.000"
    shuffled = list(candidates)
    random.shuffle(shuffled)
    assert choose(shuffled, null_ordinal=null_ordinal, token_format=FORMAT) == composed
    parts = [prefix.strip(), *composed.tokens, suffix.strip()]
    prompt = join(prefix, composed.tokens, suffix)
    assert prompt == " ".join(part for part in parts if part)
    assert prompt == prompt.strip()


@given(CANDIDATES)
def test_what_the_caller_should_know_is_warned_of(candidates: list[Candidate]) -> None:
    composed = choose(candidates, token_format=FORMAT)
    allowed = [each for each in candidates if not each.left_out]
    said = list(composed.warnings)
    assert (NOTHING_ACTIVE in said) == (not composed.chosen)
    for each in candidates:
        assert (f'"{each.name}" is left out: it was stopped' in said) == any(
            other.left_out for other in candidates if other.name == each.name
        )
    for name in {each.name for each in allowed}:
        of_name = [each for each in allowed if each.name == name]
        is_said = any(f'"{name}" is active {len(of_name)} times' in text for text in said)
        assert is_said == (len(of_name) > 1)
        weight = max(each.weight for each in of_name)
        is_zero = f'"{name}" has weight 0 and changes nothing' in said
        assert is_zero == (round(weight, 3) == 0)


@given(CANDIDATES)
def test_a_language_model_gets_the_adapter_beside_the_prompt(candidates: list[Candidate]) -> None:
    composed = choose(candidates, token_format=FORMAT)
    plain = render(composed, prefix=" p ", suffix="s", form=Format.VLLM)
    chat = render(composed, prefix=" p ", suffix="s", form=Format.MESSAGES)
    assert plain.prompt == "p s"
    assert plain.request is not None and chat.request is not None
    assert plain.request["prompt"] == "p s"
    assert chat.request["messages"] == [
        {"role": "system", "content": "p"},
        {"role": "user", "content": "s"},
    ]
    first = composed.chosen[0].candidate if composed.chosen else None
    assert plain.request.get("model") == chat.request.get("model") == (first and first.name)
    told = plain.warnings[len(composed.warnings) :]
    assert any("more are not applied" in text for text in told) == (len(composed.chosen) > 1)
    is_scaled = first is not None and first.weight != 1
    assert any("at its own scale" in text for text in told) == is_scaled


@pytest.mark.parametrize(
    ("template", "weight", "token"),
    [
        (DEFAULT, 0.75, "<lora:x:0.750>"),
        (DEFAULT, 1, "<lora:x:1.000>"),
        ("<lora:{name}:{short}>", 0.75, "<lora:x:0.75>"),
        ("<lora:{name}:{short}>", 1.0, "<lora:x:1>"),
        ("<lora:{name}:{short}>", 100.0, "<lora:x:100>"),
        ("<lora:{name}:{short}>", -0.0001, "<lora:x:0>"),
        ("({name}:{weight:.1f})", 0.75, "(x:0.8)"),
        ("{{{name}={weight:.0f}}}", 2.0, "{x=2}"),
    ],
)
def test_the_form_of_a_token_can_be_changed(template: str, weight: float, token: str) -> None:
    assert TokenFormat.parse(template).token("x", weight).text == token


@pytest.mark.parametrize(
    "template",
    [
        "",
        "<lora>",
        "{name}",
        "{weight:.3f}",
        "{name}{name}{weight:.3f}",
        "{name}:{weight}",
        "{name}:{weight:d}",
        "{name}:{weight:.9f}",
        "{name!r}:{short}",
        "{name:>9}:{short}",
        "{name.__class__}:{short}",
        "{name}:{short}\n",
        "{name}:{0}",
        "{name",
        "{name}:{short}" + "x" * 200,
    ],
)
def test_a_form_that_says_too_little_or_too_much_is_refused(template: str) -> None:
    with pytest.raises(ValueError):
        TokenFormat.parse(template)
