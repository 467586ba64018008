"""Fifty at once leave one truth: with one idempotency key, and without any."""

from collections import Counter
from typing import Any

import pytest
from django.test import Client

from compliance.models import AuditEvent, Signature, Stop
from config.accounts.models import IdempotencyKey, User
from config.accounts.roles import Role
from config.accounts.services import second_factors
from registry.models import Adapter, AliasMove
from serving.models import Replica, Rollout
from serving.services import replicas
from serving.states import ReplicaState
from tests.factories import accounts
from tests.factories import compliance as judge
from tests.factories import registry as make
from tests.factories.at_once import MANY, answered, at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("fifty")]


def _clients(user: User) -> list[Client]:
    """A client for each thread, all with one token."""
    bearer = {"authorization": f"Bearer {accounts.token_text(user)}"}
    return [Client(headers=bearer, raise_request_exception=False) for _ in range(MANY)]


def _is_one_answer(answers: list[Any], status: int) -> None:
    assert {answer.status_code for answer in answers} == {status}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer for answer in answers) == 1


def test_fifty_adapters_under_one_key_are_one() -> None:
    clients = _clients(accounts.engineer())
    body = {"slug": "triage", "name": "Triage", "base_model": make.base_model().slug}
    _is_one_answer(
        at_once(lambda n: answered(clients[n], "/api/v1/adapters", body, key="one")), 201
    )
    assert Adapter.objects.count() == 1
    assert IdempotencyKey.objects.get().state == "answered"


def test_fifty_stops_under_one_key_are_one() -> None:
    clients = _clients(accounts.user(Role.OPERATOR))
    body = {"digest": "ab" * 32, "reason": "wrong answers"}
    _is_one_answer(at_once(lambda n: answered(clients[n], "/api/v1/stops", body, key="one")), 201)
    assert Stop.objects.count() == 1
    assert AuditEvent.objects.filter(action="stop.issued").count() == 1


def test_fifty_rollouts_under_one_key_are_one_and_without_keys_too(house: Any) -> None:
    version, deployment = house.version(), house.deployment()
    clients = _clients(house.operator)
    body = {"deployment": deployment.public_name, "version": str(version.uuid)}
    _is_one_answer(
        at_once(lambda n: answered(clients[n], "/api/v1/rollouts", body, key="one")), 201
    )
    assert Rollout.objects.count() == 1
    other = {**body, "deployment": house.deployment().public_name}
    answers = at_once(lambda n: clients[n].post("/api/v1/rollouts", other, "application/json"))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: MANY - 1}
    assert Rollout.objects.count() == 2
    assert AuditEvent.objects.filter(action="rollout.started").count() == 2


def test_fifty_wishes_for_one_place_are_one_replica(house: Any) -> None:
    version, node = house.version(), house.node.row
    wish = {"node": node, "version_pk": version.pk, "digest": version.digest}
    assert len({row.pk for row in at_once(lambda _: replicas.want(**wish))}) == 1
    assert Replica.objects.count() == 1
    Replica.objects.update(state=ReplicaState.UNLOADED, failures_count=2)
    rows = at_once(lambda _: replicas.want(**wish))
    assert {row.state for row in rows} == {ReplicaState.WANTED}
    assert Replica.objects.get().failures_count == 0


def test_fifty_moves_of_an_alias_are_one() -> None:
    engineer = accounts.engineer()
    adapter = make.adapter(owner=engineer)
    versions = [make.version(of=adapter, files=make.package(seed=seed)) for seed in (1, 2)]
    clients = _clients(engineer)
    path = f"/api/v1/adapters/{adapter.ref}/aliases/champion"

    def move(n: int) -> Any:
        body = {"to": str(versions[n % 2].uuid), "expected": None}
        return clients[n].put(path, body, content_type="application/json")

    answers = at_once(move)
    # Who wants what it is by now has what he wants; who wanted the other is told.
    assert Counter(answer.status_code for answer in answers) == {200: MANY / 2, 409: MANY / 2}
    assert AliasMove.objects.count() == 1


def test_fifty_signatures_of_one_person_are_one() -> None:
    request = judge.requested()
    reviewer = accounts.user(Role.REVIEWER)
    secret = accounts.totp_secret(reviewer)
    client = Client()
    client.force_login(reviewer)
    body = {
        "meaning": "reviewed_technical",
        "record_sha256": request.record.sha256,
        "username": reviewer.username,
        "password": accounts.PASSWORD,
        "code": second_factors.totp_code(secret),
        "has_read": True,
    }
    path = f"/api/v1/approval-requests/{request.uuid}/sign"

    def sign(_: int) -> Any:
        own = Client(raise_request_exception=False)
        own.cookies = client.cookies.copy()
        return own.post(path, body, content_type="application/json")

    statuses = Counter(answer.status_code for answer in at_once(sign))
    assert statuses[200] == 1
    assert set(statuses) <= {200, 403, 409, 429}
    assert Signature.objects.count() == 1
    assert AuditEvent.objects.filter(action="signature.created").count() == 1
