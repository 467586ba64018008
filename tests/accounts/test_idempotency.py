"""Idempotency keys, through HTTP."""

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.test import Client

from compliance.models import SigningLock
from config.accounts.models import ApiToken, IdempotencyKey, User
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.accounts.services import idempotency, second_factors
from config.accounts.tasks import sweep_idempotency_keys
from config.core import clock
from registry.api.adapters import AdapterList
from registry.models import Adapter
from registry.services import adapters
from tests.factories import accounts
from tests.factories import compliance as judge
from tests.factories import registry as make

pytestmark = pytest.mark.django_db
URL = "/api/v1/adapters"


@pytest.fixture
def engineer() -> User:
    return accounts.engineer()


@pytest.fixture
def client(engineer: User) -> Client:
    return _client(engineer)


@pytest.fixture
def wanted() -> dict[str, Any]:
    return {"slug": "triage", "name": "Triage", "base_model": make.base_model().slug}


def _client(user: User) -> Client:
    text = accounts.token_text(user)
    return Client(headers={"authorization": f"Bearer {text}"}, raise_request_exception=False)


def _post(client: Client, body: Any, key: str = "k1", url: str = URL) -> Any:
    headers = {"idempotency-key": key}
    return client.post(url, body, content_type="application/json", headers=headers)


def test_the_same_request_again_gets_the_same_answer(
    client: Client, wanted: dict[str, Any]
) -> None:
    first, second = _post(client, wanted), _post(client, wanted)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert second["Location"] == first["Location"]
    assert second["Content-Type"] == first["Content-Type"]
    assert (first.get("Idempotency-Replayed"), second["Idempotency-Replayed"]) == (None, "true")
    assert Adapter.objects.count() == 1
    assert _post(client, wanted, "k2").status_code == 409  # a new key is a new act


def test_a_refusal_is_given_again(client: Client, wanted: dict[str, Any]) -> None:
    missing = {**wanted, "base_model": "nothing"}
    first = _post(client, missing)
    second = _post(client, missing)
    assert (first.status_code, second.status_code) == (404, 404)
    assert second.content == first.content


@pytest.mark.parametrize("other", ["body", "address", "method"])
def test_another_request_with_the_key_is_refused(
    client: Client, wanted: dict[str, Any], other: str
) -> None:
    assert _post(client, wanted).status_code == 201
    if other == "body":
        answer = _post(client, {**wanted, "slug": "other"})
    elif other == "address":
        answer = _post(client, wanted, url=f"{URL}?again")
    else:
        answer = client.patch(
            f"{URL}/triage", wanted, "application/json", headers={"idempotency-key": "k1"}
        )
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert Adapter.objects.count() == 1


@pytest.mark.parametrize("key", ["", "x" * 201, "a\tb", "schlüssel"])
def test_a_malformed_key_is_refused(client: Client, wanted: dict[str, Any], key: str) -> None:
    answer = _post(client, wanted, key)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-invalid")
    assert not Adapter.objects.exists()


def test_keys_belong_to_one_caller(client: Client, wanted: dict[str, Any]) -> None:
    assert _post(client, wanted).status_code == 201
    other = _post(_client(accounts.engineer()), wanted)
    assert (other.status_code, other.json()["code"]) == (409, "adapter-exists")


def test_who_may_not_is_refused_before_the_key_counts(wanted: dict[str, Any]) -> None:
    answer = _post(_client(accounts.user(Role.REVIEWER)), wanted)
    assert answer.status_code == 403
    assert not IdempotencyKey.objects.exists()


def test_reading_needs_no_key(client: Client) -> None:
    assert client.get(URL, headers={"idempotency-key": "k1"}).status_code == 200
    assert not IdempotencyKey.objects.exists()


def test_a_tokens_text_is_never_kept(client: Client, engineer: User) -> None:
    client = Client()
    client.force_login(engineer)
    wanted = {"name": "ci", "scopes": ["registry:read"]}
    first, again = (
        _post(client, wanted, url="/api/v1/tokens"),
        _post(client, wanted, url="/api/v1/tokens"),
    )
    assert first.status_code == 201
    assert (again.status_code, again.json()["code"]) == (409, "idempotency-answer-lost")
    assert first.json()["uuid"] in again.json()["detail"]
    assert ApiToken.objects.filter(name="ci").count() == 1
    assert IdempotencyKey.objects.get().body_encrypted is None


def test_nothing_of_a_request_or_an_answer_can_be_read_in_the_table(
    client: Client, wanted: dict[str, Any]
) -> None:
    _post(client, {**wanted, "description": "a telling description"})
    row = IdempotencyKey.objects.values().get()
    assert b"telling" not in bytes(row["body_encrypted"])
    assert "telling" not in str(row)


def test_a_claim_at_work_says_when_to_ask_again(client: Client, wanted: dict[str, Any]) -> None:
    _post(client, wanted)
    IdempotencyKey.objects.update(state="working", alive_at=clock.now())
    answer = _post(client, wanted)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-key-in-use")
    assert answer["Retry-After"] == "1"


def _left_behind(settings: Any, **values: Any) -> None:
    """As a process leaves its claim that was killed."""
    silent = timedelta(seconds=settings.WORK_TAKE_OVER_SECONDS + 1)
    IdempotencyKey.objects.update(
        state="working", alive_at=clock.now() - silent, body_encrypted=None, **values
    )


def test_a_dead_claim_whose_act_did_not_commit_is_taken_over(
    client: Client, wanted: dict[str, Any], settings: Any
) -> None:
    assert _post(client, {**wanted, "base_model": "nothing"}).status_code == 404
    _left_behind(settings, acted="")
    make.base_model(slug="nothing", seed=1)
    answer = _post(client, {**wanted, "base_model": "nothing"})
    assert answer.status_code == 201
    assert IdempotencyKey.objects.get().attempt == 2


def test_a_dead_claim_whose_act_committed_is_not_done_again(
    client: Client, wanted: dict[str, Any], settings: Any
) -> None:
    made = _post(client, wanted).json()
    _left_behind(settings)
    for _ in range(2):
        answer = _post(client, wanted)
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-answer-lost")
        assert f"adapter.created adapter {made['uuid']}" in answer.json()["detail"]
    assert Adapter.objects.count() == 1


def test_a_slow_process_whose_claim_was_taken_over_can_not_commit(engineer: User) -> None:
    base = make.base_model()
    first = idempotency.claim(principal="user:1", key="k", request=b"r")
    assert isinstance(first, idempotency.Claim)
    IdempotencyKey.objects.update(attempt=2)
    with pytest.raises(idempotency.IdempotencyKeyInUse), idempotency.at_work(first):
        adapters.create(
            slug="late", name="Late", base_model=base, owner=engineer, actor=actor_of(engineer)
        )
    assert not Adapter.objects.exists()
    assert IdempotencyKey.objects.get().state == "working"  # the second's own claim is untouched


def test_an_error_of_ours_frees_the_key() -> None:
    held = idempotency.claim(principal="user:1", key="k", request=b"r")
    assert isinstance(held, idempotency.Claim)
    with pytest.raises(ZeroDivisionError), idempotency.at_work(held):
        _ = 1 / 0
    assert not IdempotencyKey.objects.exists()


def test_keys_are_forgotten_after_a_day(client: Client, wanted: dict[str, Any]) -> None:
    _post(client, wanted)
    sweep_idempotency_keys()
    assert IdempotencyKey.objects.count() == 1
    IdempotencyKey.objects.update(created_at=clock.now() - timedelta(hours=25))
    # Also where the sweep has not come by yet.
    assert _post(client, wanted).json()["code"] == "adapter-exists"
    IdempotencyKey.objects.update(created_at=clock.now() - timedelta(hours=25))
    sweep_idempotency_keys()
    assert not IdempotencyKey.objects.exists()


def test_the_schema_names_the_header(client: Client) -> None:
    answer = client.get("/api/v1/schema", headers={"accept": "application/json"})
    for operations in answer.json()["paths"].values():
        for method, operation in operations.items():
            names = [one.get("name") for one in operation.get("parameters", [])]
            assert ("Idempotency-Key" in names) == (method not in {"get", "head"})


def test_an_answer_that_says_to_try_again_is_not_kept(engineer: User) -> None:
    """A signer who is locked for a while may try the same act afterwards."""
    request = judge.requested()
    reviewer = accounts.user(Role.REVIEWER)
    client = Client()
    client.force_login(reviewer)
    SigningLock.objects.create(user=reviewer, locked_until=clock.now() + timedelta(minutes=5))
    code = second_factors.totp_code(accounts.totp_secret(reviewer))
    proof = {"username": reviewer.username, "password": accounts.PASSWORD, "code": code}
    path = f"/api/v1/approval-requests/{request.uuid}/reject"
    locked = _post(client, {"reason": "weak", **proof}, url=path)
    assert (locked.status_code, "Retry-After" in locked) == (429, True)
    SigningLock.objects.update(locked_until=None)
    again = _post(client, {"reason": "weak", **proof}, url=path)
    assert (again.status_code, again.json()["state"]) == (200, "rejected")


def test_two_keys_in_one_request_are_refused(engineer: User, wanted: dict[str, Any]) -> None:
    """Django joins them with a comma; the scope of the request has them as they came."""
    token = accounts.token_text(engineer).encode()
    body = json.dumps(wanted).encode()
    headers = [
        (b"authorization", b"Bearer " + token),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    keys = [(b"idempotency-key", b"k1"), (b"idempotency-key", b"k2")]
    scope = {"type": "http", "method": "POST", "path": URL, "headers": headers + keys}
    refused = AdapterList.as_view()(ASGIRequest(scope, io.BytesIO(body))).render()
    assert refused.status_code == 400
    assert json.loads(refused.content)["code"] == "idempotency-key-invalid"
    assert not Adapter.objects.exists()
    scope["headers"] = headers + keys[:1]
    taken = AdapterList.as_view()(ASGIRequest(scope, io.BytesIO(body)))
    assert taken.status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 201, "k\u00e9", "a\tb"])
def test_a_key_that_is_none_is_refused(client: Client, wanted: dict[str, Any], key: str) -> None:
    answer = _post(client, wanted, key)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-invalid")
    assert not Adapter.objects.exists()
