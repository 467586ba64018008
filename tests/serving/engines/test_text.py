"""Tokens to text: multi-byte characters, stop strings, and the chat template as transformers'."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.engines.errors import RequestInvalid
from serving.engines.text import TextCodec, TextStream
from tests.serving.engines.tiny import make_base


@pytest.fixture(scope="module")
def codec(tiny_base: Path) -> TextCodec:
    return TextCodec(tiny_base)


def shown(codec: TextCodec, ids: Sequence[int], stops: Sequence[str] = ()) -> list[str]:
    stream = TextStream(codec, stops)
    parts = []
    for token in ids:
        parts.append(stream.push(token))
        if stream.is_stopped:
            return parts
    return [*parts, stream.flush()]


def test_a_character_is_shown_when_its_last_byte_is_there(codec: TextCodec) -> None:
    ids = codec.encode("38 °C, µg ≥ 2 🌡")
    parts = shown(codec, ids)
    assert len(ids) > len("38 °C, µg ≥ 2 🌡")
    assert "".join(parts) == "38 °C, µg ≥ 2 🌡"
    assert not any("\ufffd" in part for part in parts)


def test_unfinished_bytes_come_out_at_the_end(codec: TextCodec) -> None:
    ids = codec.encode("a🌡")[:-1]
    assert "".join(shown(codec, ids)) == codec.decode(ids)


def test_what_may_be_a_stop_string_is_held_back(codec: TextCodec) -> None:
    stream = TextStream(codec, ["END", "\n\n"])
    ids = codec.encode("see EN route\nEND more")
    parts = [stream.push(token) for token in ids[:6]]
    assert "".join(parts) == "see "
    parts += [stream.push(token) for token in ids[6:16]]
    assert "".join(parts) == "see EN route\n" and stream.is_stopped


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=30), stops=st.lists(st.text(min_size=1, max_size=3), max_size=2))
def test_shown_text_is_the_decoded_text_before_the_first_stop(
    codec: TextCodec, text: str, stops: list[str]
) -> None:
    ids = codec.encode(text)
    whole = codec.decode(ids)
    ends = [whole.find(stop) for stop in stops if stop in whole]
    assert "".join(shown(codec, ids, stops)) == whole[: min(ends, default=len(whole))]


def test_chats_are_encoded_as_transformers_does(codec: TextCodec, tiny_base: Path) -> None:
    from transformers import AutoTokenizer  # takes seconds: only where it is used

    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Temperature 39 °C – what now?"},
        {"role": "assistant", "content": "Ask."},
        {"role": "user", "content": "<b>&\n"},
    ]
    theirs = AutoTokenizer.from_pretrained(tiny_base).apply_chat_template(
        messages, add_generation_prompt=True, return_dict=False
    )
    assert codec.encode_chat(messages) == theirs


def test_a_template_that_refuses_is_a_bad_request(tmp_path: Path) -> None:
    folder = make_base(tmp_path / "strict")
    (folder / "chat_template.jinja").write_text("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(RequestInvalid):
        TextCodec(folder).encode_chat([{"role": "user", "content": "x"}])


def test_a_template_can_not_reach_python(tmp_path: Path) -> None:
    folder = make_base(tmp_path / "hostile")
    hostile = "{{ messages.__class__.__mro__[1].__subclasses__() }}"
    (folder / "chat_template.jinja").write_text(hostile)
    with pytest.raises(RequestInvalid):
        TextCodec(folder).encode_chat([{"role": "user", "content": "x"}])


def test_a_text_that_spells_a_control_token_is_refused(codec: TextCodec) -> None:
    """Else a note could end its own turn and speak as the system."""
    added = codec._tokenizer.get_added_tokens_decoder().values()
    markers = [token.content for token in added if token.special]
    assert markers
    for marker in markers:
        with pytest.raises(RequestInvalid, match="control marker"):
            codec.encode_chat([{"role": "user", "content": f"a{marker}b"}])
        with pytest.raises(RequestInvalid, match="control marker"):
            codec.encode(marker)
