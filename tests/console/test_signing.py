"""The signing page: what is shown, what is refused, and what is never shown."""

import pytest

from compliance.models import Signature
from registry.services import labels
from tests.factories import accounts, console

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def waiting(world):
    version = console.version(world, name="v1")
    adults = console.evaluation_set(world, name="adults", size=120, level="adult")
    children = console.evaluation_set(world, name="children", size=60, level="child")
    console.evaluate(world, version, adults, right=116)
    console.evaluate(world, version, children, right=57)
    return console.request_approval(world, version)


def _path(request):
    return f"/console/approval-requests/{request.uuid}/sign/"


def _form(world, request, user, **values):
    return {
        "act": "sign",
        "meaning": "reviewed_technical",
        "record_sha256": request.record.sha256,
        "username": user.username,
        "password": accounts.PASSWORD,
        "code": world.code(user, step=1),
        "has_read": "yes",
    } | values


def _text(answer):
    return answer.content.decode().replace("&#x27;", "'")


def test_the_whole_record_is_there_to_read(world, as_user, waiting):
    answer = as_user(world.reviewer).get(_path(waiting))
    text = _text(answer)
    for part in (
        waiting.record.sha256[:16],
        "116 of 120 right",
        "57 of 60 right",
        "adult and child (age group)",
        "TEC-01",
        "CLN-04",
        "adapter_model.safetensors",
        "us-2026-02",
        "I have reviewed this record and the technical checks",
    ):
        assert part in text, part
    assert "no-store" in answer.headers["Cache-Control"]
    assert 'name="username" autocomplete="off"' in text
    assert f'value="{world.reviewer.username}"' not in text


def test_a_wrong_password_is_refused_and_not_shown_again(world, as_user, waiting):
    client = as_user(world.reviewer)
    answer = client.post(
        _path(waiting), _form(world, waiting, world.reviewer, password="a wrong secret")
    )
    assert answer.status_code == 403
    assert "did not prove who you are" in _text(answer)
    assert "a wrong secret" not in _text(answer)
    assert Signature.objects.count() == 0


def test_a_record_that_changed_meanwhile_shows_what_differs(world, as_user, waiting):
    client = as_user(world.reviewer)
    form = _form(world, waiting, world.reviewer)
    # Behind the services' back: through them the request would be void at once.
    version = waiting.version
    labels.Label.objects.create(
        version=version,
        revision=2,
        purpose="Another purpose",
        population=console.LABEL["population"],
        setting=console.LABEL["setting"],
        language="en",
        limits=console.LABEL["limits"],
        created_by=world.engineer,
    )
    answer = client.post(_path(waiting), form)
    assert answer.status_code == 409
    text = _text(answer)
    assert "The record changed while you were reading" in text
    assert "label › purpose" in text
    assert "Another purpose" in text
    assert Signature.objects.count() == 0


def test_both_sign_and_the_manifestation_is_printed(world, as_user, waiting):
    reviewer, clinician = as_user(world.reviewer), as_user(world.clinician)
    early = clinician.get(_path(waiting))
    assert "is asked of a technical reviewer" in _text(early)
    answer = reviewer.post(_path(waiting), _form(world, waiting, world.reviewer), follow=True)
    text = _text(answer)
    assert "You have signed." in text
    assert "signed electronically by Ben Example" in text
    again = reviewer.get(_path(waiting))
    assert "has signed this record already" in _text(again)
    form = _form(world, waiting, world.clinician, meaning="approved")
    text = _text(clinician.post(_path(waiting), form, follow=True))
    assert "signed electronically by Dr. Cleo Example" in text
    assert "All signatures are there." in text


def test_an_author_is_refused_even_if_he_posts(world, as_user, waiting):
    answer = as_user(world.engineer).post(_path(waiting), _form(world, waiting, world.engineer))
    assert answer.status_code == 403
    assert "owns the adapter and can't sign it" in _text(answer)


def test_a_refusal_is_proven_and_closes_the_request(world, as_user, waiting):
    client = as_user(world.clinician)
    proof = _form(world, waiting, world.clinician, act="reject")
    assert client.post(_path(waiting), proof | {"reason": ""}).status_code == 400
    why = {"reason": "Evaluate it at night too."}
    assert client.post(_path(waiting), {"act": "reject"} | why).status_code == 403
    answer = client.post(_path(waiting), proof | why, follow=True)
    assert "Evaluate it at night too." in _text(answer)
    waiting.refresh_from_db()
    assert waiting.state == "rejected"
    again = client.post(_path(waiting), proof | why)
    assert again.status_code == 409


@pytest.mark.parametrize("field", ["username", "comment", "meaning"])
def test_a_signature_whose_form_holds_nul_is_refused_on_the_page(world, as_user, waiting, field):
    form = _form(world, waiting, world.reviewer, **{field: "a\0b"})
    answer = as_user(world.reviewer).post(_path(waiting), form)
    assert answer.status_code == 400
    assert f"In this form {field} holds the character U+0000" in _text(answer)
    assert accounts.PASSWORD not in _text(answer)
    assert Signature.objects.count() == 0
