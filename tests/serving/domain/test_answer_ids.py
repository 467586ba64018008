"""Answer ids: whatever goes in comes out, and nobody else can make one."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.domain.answer_ids import (
    MAX_CHARS,
    NONCE_BYTES,
    PREFIX,
    AnswerId,
    AnswerUnknown,
    decode,
    encode,
)
from serving.states import Arm

numbers = st.integers(min_value=0, max_value=(1 << 42) - 1)
ids = st.builds(
    AnswerId,
    deployment_pk=numbers,
    rollout_pk=numbers,
    arm=st.sampled_from(Arm),
    stage=numbers,
    version_pk=numbers,
    issued_at_seconds=numbers,
    nonce=st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES),
)


def mac(body: bytes) -> bytes:
    return hmac.new(b"key", body, hashlib.sha256).digest()


def other_mac(body: bytes) -> bytes:
    return hmac.new(b"other", body, hashlib.sha256).digest()


@given(ids)
def test_what_goes_in_comes_out(answer: AnswerId) -> None:
    text = encode(answer, mac=mac)
    assert decode(text, mac=mac) == answer
    assert text.startswith(PREFIX) and len(text) <= MAX_CHARS


@given(ids, st.data())
def test_a_changed_letter_is_refused(answer: AnswerId, data: st.DataObject) -> None:
    text = encode(answer, mac=mac)
    place = data.draw(st.integers(len(PREFIX), len(text) - 1))
    letter = data.draw(
        st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ ")
    )
    changed = text[:place] + letter + text[place + 1 :]
    if changed != text:
        with pytest.raises(AnswerUnknown):
            decode(changed, mac=mac)


@given(ids)
def test_another_key_is_refused(answer: AnswerId) -> None:
    with pytest.raises(AnswerUnknown):
        decode(encode(answer, mac=other_mac), mac=mac)


@given(st.text(max_size=90) | st.text(max_size=90).map(lambda text: PREFIX + text))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(AnswerUnknown):
        decode(text, mac=mac)


def test_numbers_that_do_not_fit_are_refused() -> None:
    values = {"deployment_pk": 1, "rollout_pk": 0, "stage": 0, "version_pk": 1}
    with pytest.raises(ValueError, match="can't hold"):
        encode(
            AnswerId(
                **{**values, "version_pk": 1 << 42},
                arm=Arm.STABLE,
                issued_at_seconds=0,
                nonce=bytes(NONCE_BYTES),
            ),
            mac=mac,
        )
