"""Judgements through HTTP, the way from a set to a signed permission, and every refusal."""

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from compliance.models import ApprovalRequest, AuditEvent, EvaluationRun, Permission
from compliance.services import sealing
from config.accounts.models import User
from config.accounts.roles import Role
from config.accounts.services import second_factors
from config.core import clock
from registry.models import Version
from tests.compliance.api.conftest import by_session, by_token
from tests.factories import accounts
from tests.factories import compliance as c
from tests.factories import registry as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def engineer() -> User:
    return accounts.engineer()


@pytest.fixture
def version(engineer: User) -> Version:
    made = make.version(of=make.adapter(slug="triage", safety_class="A", owner=engineer))
    c.run_checks(made)
    return made


def _lines(items: list[dict[str, Any]]) -> io.BytesIO:
    stream = io.BytesIO(b"".join(json.dumps(item).encode() + b"\n" for item in items))
    stream.name = "items.jsonl"
    return stream


def _post_set(client: APIClient, **changed: Any) -> Any:
    values = {
        "items": _lines(c.items(60)),
        "name": "adults",
        "prompt_template": json.dumps(c.TEMPLATE),
        "max_tokens": 6,
        "group_fields": json.dumps(["age_group"]),
    }
    return client.post("/api/v1/evaluation-sets", {**values, **changed}, format="multipart")


def _sign(client: APIClient, signer: c.Signer, request: Any, **changed: Any) -> Any:
    values = {
        "meaning": "reviewed_technical",
        "record_sha256": request["record_sha256"],
        "username": signer.user.username,
        "password": accounts.PASSWORD,
        "code": signer.code(),
        "has_read": True,
    }
    path = f"/api/v1/approval-requests/{request['uuid']}/sign"
    return client.post(path, {**values, **changed}, format="json")


def test_the_whole_way_from_a_set_to_a_permission(engineer: User, version: Version) -> None:
    client = by_token(engineer)
    made = _post_set(client)
    assert made.status_code == 201, made.json()
    assert made.json()["items_count"] == 60

    asked = client.post("/api/v1/evaluations", {"version": "triage@v1", "evaluation_set": "adults"})
    assert asked.status_code == 202, asked.json()
    c.answer(EvaluationRun.objects.get(uuid=asked.json()["uuid"]))
    c.run_checks(version)
    run = client.get(f"/api/v1/evaluations/{asked.json()['uuid']}").json()
    assert (run["state"], run["correct_count"], run["rows_done"]) == ("done", 60, 60)

    gate = client.get("/api/v1/checks/gate", {"version": "triage@v1"}).json()
    assert gate["is_open"] and not gate["is_permitted"]
    assert gate["evaluations"][0]["correct"] == 60

    made = client.post("/api/v1/approval-requests", {"version": "triage@v1"})
    assert made.status_code == 201, made.json()
    request = made.json()
    assert (request["next_meaning"], request["next_roles"]) == ("reviewed_technical", ["reviewer"])
    assert request["record"]["version"]["manifest_sha256"] == version.digest

    reviewer, officer = c.signer(Role.REVIEWER), c.signer(Role.COMPLIANCE_OFFICER)
    first = _sign(by_session(reviewer.user), reviewer, request)
    assert first.status_code == 200, first.json()
    assert first.json()["signatures"][0]["holds"] is True
    last = _sign(by_session(officer.user), officer, request, meaning="approved")
    assert last.json()["state"] == "approved"
    assert "signed electronically by" in last.json()["signatures"][1]["manifestation"]

    leases = client.get("/api/v1/permissions", {"version": "triage@v1"}).json()["results"]
    assert [row["purpose"] for row in leases] == ["serve", "evaluate"]
    listed = client.get("/api/v1/approval-requests", {"version": "triage@v1"}).json()
    assert [row["state"] for row in listed["results"]] == ["approved"]


def test_checks_are_listed_with_findings(engineer: User, version: Version) -> None:
    client = by_token(engineer)
    rows = client.get("/api/v1/checks", {"version": "triage@v1"}).json()["results"]
    assert [row["kind"] for row in rows] == ["evidence", "package"]
    results = {row["check_id"]: row for row in rows[0]["results"]}
    assert results["CLN-01"]["state"] == "insufficient_evidence"
    assert results["CLN-01"]["findings"][0]["fix"]
    assert "snapshot" not in rows[0]
    again = client.post("/api/v1/checks", {"version": "triage@v1"})
    assert (again.status_code, again.json()["state"]) == (202, "waiting")


def test_a_closed_gate_answers_409_with_each_blocker(engineer: User, version: Version) -> None:
    made = by_token(engineer).post("/api/v1/approval-requests", {"version": "triage@v1"})
    assert made.status_code == 409
    body = made.json()
    assert made["Content-Type"] == "application/problem+json"
    assert body["code"] == "gate-closed"
    assert {"CLN-01", "CLN-07"} <= {row["check_id"] for row in body["errors"]}


def test_a_token_can_not_sign(version: Version) -> None:
    request = c.requested(c.evaluated(version))
    signer = c.signer(Role.REVIEWER)
    shown = {"uuid": str(request.uuid), "record_sha256": request.record.sha256}
    refused = _sign(by_token(signer.user), signer, shown)
    assert refused.status_code == 403
    assert "API token" in refused.json()["detail"]
    assert not request.signatures.exists()
    assert AuditEvent.objects.filter(action="access.refused").count() == 1


def test_a_signing_without_the_cross_site_token_is_refused(version: Version) -> None:
    request = c.requested(c.evaluated(version))
    signer = c.signer(Role.REVIEWER)
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(signer.user)
    shown = {"uuid": str(request.uuid), "record_sha256": request.record.sha256}
    assert _sign(client, signer, shown).status_code == 403
    assert not request.signatures.exists()


def test_the_same_signing_twice_signs_once(version: Version) -> None:
    request = c.requested(c.evaluated(version))
    signer = c.signer(Role.REVIEWER)
    client = by_session(signer.user)
    shown = {"uuid": str(request.uuid), "record_sha256": request.record.sha256}
    code = signer.code()
    assert _sign(client, signer, shown, code=code).status_code == 200
    again = _sign(client, signer, shown, code=code)
    assert (again.status_code, again.json()["code"]) == (409, "signature-out-of-order")
    assert request.signatures.count() == 1


def test_refusals_of_signing_have_their_codes(version: Version) -> None:
    request = c.requested(c.evaluated(version))
    shown = {"uuid": str(request.uuid), "record_sha256": request.record.sha256}
    signer = c.signer(Role.REVIEWER)
    client = by_session(signer.user)
    cases = [
        ({"password": "wrong"}, 403, "signing-refused"),
        ({"record_sha256": "0" * 64}, 409, "record-changed"),
        ({"meaning": "approved"}, 409, "signature-out-of-order"),
        ({"has_read": False}, 403, "signature-not-yours"),
        ({"meaning": "nonsense"}, 400, "invalid"),
    ]
    for changed, status, code in cases:
        answer = _sign(client, signer, shown, **changed)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert accounts.PASSWORD not in answer.content.decode()
    with clock.frozen_at(clock.now() + timedelta(minutes=5)):
        for _ in range(4):
            _sign(client, signer, shown, password="wrong")
        locked = _sign(client, signer, shown)
    assert locked.status_code == 429
    assert int(locked["Retry-After"]) > 0


def test_a_changed_label_shows_on_the_request(engineer: User, version: Version) -> None:
    request = c.requested(c.evaluated(version))
    client = by_token(engineer)
    changed = client.put(
        "/api/v1/versions/triage@v1/label",
        {"purpose": "x", "population": [{"attribute": "age_group", "level": "child"}]},
        format="json",
    )
    assert changed.status_code == 200
    shown = client.get(f"/api/v1/approval-requests/{request.uuid}").json()
    assert shown["state"] == "void"
    assert "label.population[0].level" in shown["closed_reason"]


def test_a_rejection_needs_a_session_and_a_signing_role(version: Version) -> None:
    request = c.requested(c.evaluated(version))
    path = f"/api/v1/approval-requests/{request.uuid}/reject"
    reviewer = accounts.user(Role.REVIEWER)
    refused = {"reason": "x", "username": "u", "password": "p", "code": "123456"}
    assert by_token(reviewer).post(path, refused).status_code == 403
    assert by_session(accounts.user(Role.OPERATOR)).post(path, refused).status_code == 403
    unproven = by_session(reviewer).post(path, {"reason": "too weak"})
    assert unproven.status_code == 400
    assert {row["pointer"] for row in unproven.json()["errors"]} == {
        "/username",
        "/password",
        "/code",
    }
    proof = {
        "username": reviewer.username,
        "password": accounts.PASSWORD,
        "code": second_factors.totp_code(accounts.totp_secret(reviewer)),
    }
    wrong = by_session(reviewer).post(path, {"reason": "x", **proof, "password": "a guess"})
    assert (wrong.status_code, wrong.json()["code"]) == (403, "signing-refused")
    done = by_session(reviewer).post(path, {"reason": "too weak", **proof})
    assert (done.status_code, done.json()["state"]) == (200, "rejected")


def test_a_malformed_set_is_answered_by_line(engineer: User) -> None:
    client = by_token(engineer)
    broken = io.BytesIO(b'{"text": "a", "expected": "b"}\nnonsense\n')
    broken.name = "x"
    answer = _post_set(client, items=broken)
    assert (answer.status_code, answer.json()["code"]) == (400, "evaluation-set-invalid")
    assert answer.json()["errors"] == [{"line": 2, "message": "is not JSON"}]
    assert _post_set(client, prompt_template="{}").status_code == 400
    assert _post_set(client, group_fields="[1]").status_code == 400


def test_no_text_of_an_item_comes_back(engineer: User) -> None:
    client = by_token(engineer)
    items = [{"text": f"Mrs Secret {n}", "expected": "soon"} for n in range(3)]
    made = _post_set(client, items=_lines(items))
    assert made.status_code == 201
    for path in ("evaluation-sets", "evaluation-sets/adults@1"):
        assert "Secret" not in client.get(f"/api/v1/{path}").content.decode()
    taken = _post_set(client)
    assert (taken.status_code, taken.json()["code"]) == (409, "evaluation-set-exists")
    twice = _post_set(client, name="twice", items=_lines([items[0], items[0]]))
    assert twice.status_code == 400
    assert "same text as items/0" in str(twice.json()["errors"])
    broken = _post_set(client, name="nul", items=_lines([{**items[0], "expected": "a\x00b"}]))
    assert broken.status_code == 400


def test_stops_take_one_person_and_releases_two(
    engineer: User, version: Version, settings: Any, tmp_path: Any
) -> None:
    settings.FORMULARY_HOME = tmp_path
    settings.FORMULARY_HOME.joinpath("keys").mkdir()
    first, second = accounts.user(Role.OPERATOR), accounts.user(Role.OPERATOR)
    made = by_token(first).post("/api/v1/stops", {"version": "triage@v1", "reason": "wrong"})
    assert made.status_code == 201, made.json()
    assert made.json()["digest"] == version.digest
    path = f"/api/v1/stops/{made.json()['uuid']}"
    assert by_token(second).post(f"{path}/release").status_code == 403
    assert by_session(first).post(f"{path}/ask-release", {"reason": "ok"}).status_code == 200
    same = by_session(first).post(f"{path}/release")
    assert (same.status_code, same.json()["code"]) == (403, "release-refused")
    released = by_session(second).post(f"{path}/release")
    assert released.json()["released_by"] == second.username
    both = {"digest": "ab" * 32, "version": "triage@v1", "reason": "x"}
    assert by_token(first).post("/api/v1/stops", both).status_code == 400


def test_the_trail_is_read_by_who_may(engineer: User, version: Version) -> None:
    assert by_token(engineer).get("/api/v1/audit").status_code == 403
    sealing.seal_pending()
    client = by_token(accounts.user(Role.COMPLIANCE_OFFICER))
    found = client.get("/api/v1/audit", {"action": "version."}).json()["results"]
    assert [row["action"] for row in found] == ["version.submitted"]
    assert found[0]["event"]["object"]["rev"] == version.digest
    assert found[0]["event_hash"]
    assert client.get("/api/v1/audit", {"since": "soon"}).status_code == 400
    actor = client.get("/api/v1/audit", {"actor": "formulary", "limit": 2}).json()
    assert len(actor["results"]) == 2 and actor["next"]
    following = client.get(actor["next"]).json()["results"]
    assert following[0]["uuid"] not in {row["uuid"] for row in actor["results"]}
    report = client.get("/api/v1/audit/verify").json()
    assert report["result"] == "clean"


@pytest.mark.parametrize(
    "path",
    [
        "checks",
        "evaluation-sets",
        "evaluations",
        "approval-requests",
        "permissions",
        "stops",
        "audit",
        "audit/verify",
    ],
)
def test_nobody_reads_without_signing_in(path: str) -> None:
    assert APIClient().get(f"/api/v1/{path}").status_code == 401


@pytest.mark.parametrize(
    "path", ["checks", "evaluations", "approval-requests", "permissions", "stops"]
)
def test_lists_cost_the_same_however_long_they_are(engineer: User, path: str) -> None:
    client = by_session(accounts.user(Role.COMPLIANCE_OFFICER))
    c.approved()
    one = _count(client, path)
    c.approved()
    assert _count(client, path) == one


def _count(client: APIClient, path: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(f"/api/v1/{path}").status_code == 200
    return len(queries)


def test_an_unknown_version_or_request_is_404(engineer: User) -> None:
    client = by_token(engineer)
    nothing = "00000000-0000-0000-0000-000000000000"
    for path in ("approval-requests", "evaluations"):
        assert client.get(f"/api/v1/{path}/{nothing}").status_code == 404
    assert client.get("/api/v1/checks", {"version": "nobody@v1"}).status_code == 404
    assert client.get("/api/v1/checks/gate").status_code == 400
    assert not ApprovalRequest.objects.exists() and not Permission.objects.exists()
