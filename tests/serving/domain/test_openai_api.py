"""OpenAI-shaped requests: what is read, what is refused, and by which name."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.domain.openai_answers import AnswerHead, ChunkWriter, Usage, whole_body
from serving.domain.openai_api import (
    NEUTRAL,
    AskedAnswer,
    RequestRefused,
    parse_body,
    parse_chat,
    parse_completion,
)

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
HEAD = AnswerHead(
    answer_id="ans_1",
    public_name="m",
    fingerprint="a@0/ans_1",
    created_at_seconds=1,
    is_chat=True,
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.characters(categories=["Cs"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "name", "include_usage"])
            | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
names = st.sampled_from(
    [
        *("model", "messages", "prompt", "stream", "stream_options", "temperature", "top_p"),
        *("max_tokens", "max_completion_tokens", "stop", "seed", "n", "user", "tools", "logprobs"),
    ]
)
messages = st.lists(
    st.fixed_dictionaries(
        {},
        optional={"role": st.sampled_from(["user", "system", "tool"]) | values, "content": values},
    ),
    max_size=3,
)
bodies = st.dictionaries(names | st.text(max_size=5), values, max_size=6).flatmap(
    lambda body: st.fixed_dictionaries(
        {}, optional={"model": st.just("m"), "messages": messages, "prompt": st.text()}
    ).map(lambda more: {**body, **more})
)


@settings(max_examples=400)
@given(bodies)
def test_any_body_is_read_or_refused_by_name(body: dict[str, Any]) -> None:
    for parse in (parse_chat, parse_completion):
        try:
            asked = parse(body)
        except RequestRefused as refused:
            assert refused.message
            refused.message.encode()
        else:
            assert asked.model
            assert (asked.messages is None) != (asked.prompt is None)
            json.dumps([asked.messages, asked.prompt, asked.stop]).encode()


@given(st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with suppress(RequestRefused):
        assert isinstance(parse_body(raw), dict)


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b'"x"', b'{"a": NaN}', b"\xff", b"[" * 100_000, b"1" * 5000]
)
def test_what_is_not_a_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(RequestRefused):
        parse_body(raw)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 3}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": [], "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages[0].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content[0].type",
        ),
        (
            {"messages": [{"role": "assistant", "content": "x", "tool_calls": [{}]}]},
            "messages[0].tool_calls",
        ),
        ({"prompt": "x"}, "prompt"),
        ({"n": 2}, "n"),
        ({"n": True}, "n"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"made_up": 1}, "made_up"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": 10**20}, "max_tokens"),
        ({"max_tokens": 3, "max_completion_tokens": 4}, "max_tokens"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": ""}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"stop": {}}, "stop"),
        ({"seed": 2**63}, "seed"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": []}, "stream_options"),
        ({"stream": True, "stream_options": {"x": 1}}, "stream_options"),
        (
            {"stream": True, "stream_options": {"include_usage": 1}},
            "stream_options.include_usage",
        ),
    ],
)
def test_a_refusal_names_the_parameter(change: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        parse_chat({**CHAT, **change})
    assert refused.value.param == param


def test_what_changes_nothing_is_taken() -> None:
    neutral = {name: values[0] for name, values in NEUTRAL.items()}
    ignored = {"user": "u1", "metadata": {"a": "b"}, "store": True, "top_k": None}
    assert parse_chat({**CHAT, **neutral, **ignored, "presence_penalty": 0.0}) == parse_chat(CHAT)


def test_a_whole_chat_request() -> None:
    asked = parse_chat(
        {
            "model": "m",
            "messages": [
                {"role": "developer", "content": "be short"},
                {
                    "role": "user",
                    "name": "ward",
                    "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                },
            ],
            "max_completion_tokens": 5,
            "temperature": 0,
            "top_p": 1,
            "stop": "x",
            "seed": -1,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    )
    assert asked == AskedAnswer(
        model="m",
        messages=({"role": "system", "content": "be short"}, {"role": "user", "content": "ab"}),
        stream=True,
        include_usage=True,
        max_tokens=5,
        temperature=0.0,
        top_p=1.0,
        stop=("x",),
        seed=-1,
    )


def test_a_completion_request() -> None:
    asked = parse_completion({"model": "m", "prompt": ["hello"], "stop": ["a", "b"]})
    assert (asked.prompt, asked.max_tokens, asked.stop) == ("hello", 16, ("a", "b"))
    for prompt in ("", [], ["a", "b"], [1, 2], [[1]], None, {}):
        with pytest.raises(RequestRefused) as refused:
            parse_completion({"model": "m", "prompt": prompt})
        assert refused.value.param == "prompt"


def _events(raw: bytes) -> list[Any]:
    blocks = raw.decode().removesuffix("\n\n").split("\n\n")
    assert all(block.startswith("data: ") for block in blocks)
    return [block[6:] if block == "data: [DONE]" else json.loads(block[6:]) for block in blocks]


@given(st.lists(st.text(min_size=1), max_size=5), st.booleans(), st.booleans())
def test_chunks_hold_the_text_unchanged(
    texts: list[str], is_chat: bool, include_usage: bool
) -> None:
    head = AnswerHead(
        answer_id="ans_1",
        public_name='"@text@"'.strip('"'),
        fingerprint="f",
        created_at_seconds=1,
        is_chat=is_chat,
    )
    writer = ChunkWriter(head, include_usage=include_usage)
    raw = b"".join(writer.text(text) for text in texts)
    *chunks, done = _events(raw + writer.end(finish="stop", usage=Usage(2, 3)))
    assert done == "[DONE]"
    if include_usage:
        usage = chunks.pop()
        assert usage["choices"] == []
        assert usage["usage"]["total_tokens"] == 5
        assert all(chunk["usage"] is None for chunk in chunks)
    choices = [chunk["choices"][0] for chunk in chunks]
    assert [choice["finish_reason"] for choice in choices] == [None] * len(texts) + ["stop"]
    if is_chat:
        assert choices[0]["delta"]["role"] == "assistant"
        assert "".join(choice["delta"].get("content", "") for choice in choices) == "".join(texts)
    else:
        assert "".join(choice["text"] for choice in choices) == "".join(texts)
    assert {chunk["system_fingerprint"] for chunk in chunks} == {"f"}


def test_a_whole_answer() -> None:
    body = json.loads(whole_body(HEAD, text="ok", finish="stop", usage=Usage(1, 2)))
    assert body["choices"][0]["message"] == {
        "role": "assistant",
        "content": "ok",
        "refusal": None,
    }
    assert body["system_fingerprint"] == HEAD.fingerprint
    assert body["object"] == "chat.completion"
