"""Letting serving go on after a restore, over HTTP and on Today: two persons, signed in."""

import pytest
from django.test import Client

from compliance.models import Restore
from config.accounts.roles import Role
from tests.compliance.api.conftest import by_session, by_token
from tests.factories import accounts

pytestmark = pytest.mark.django_db


def _held() -> Restore:
    return Restore.objects.create(
        evidence="[checkpoint 90 abcd]", checkpoint_size=90, trail_size=70
    )


def test_two_persons_resume_by_session() -> None:
    restore = _held()
    first, second = accounts.user(Role.OPERATOR), accounts.user(Role.COMPLIANCE_OFFICER)
    path = f"/api/v1/restores/{restore.uuid}"
    assert by_token(second, "restores:write").post(f"{path}/resume").status_code == 403
    engineer = accounts.user(Role.ML_ENGINEER)
    (row,) = by_token(engineer).get("/api/v1/restores").json()["results"]
    assert (row["checkpoint_size"], row["trail_size"], row["resumed_at"]) == (90, 70, None)
    assert by_session(engineer).post(f"{path}/ask-resume", {"reason": "x"}).status_code == 403
    assert by_session(first).post(f"{path}/ask-resume", {"reason": "looked"}).status_code == 200
    same = by_session(first).post(f"{path}/resume")
    assert (same.status_code, same.json()["code"]) == (403, "resume-refused")
    resumed = by_session(second).post(f"{path}/resume")
    assert resumed.json()["resumed_by"] == second.username
    assert by_session(second).post(f"{path}/resume").status_code == 409
    unknown = "/api/v1/restores/00000000-0000-0000-0000-000000000000/resume"
    assert by_session(second).post(unknown).status_code == 404


def test_today_says_that_serving_is_held_and_has_both_acts() -> None:
    restore = _held()

    def as_person(role: Role) -> Client:
        client = Client()
        client.force_login(accounts.user(role), backend="config.accounts.backends.RoleBackend")
        return client

    first, second = as_person(Role.OPERATOR), as_person(Role.COMPLIANCE_OFFICER)
    assert "Serving is held" in first.get("/console/").content.decode()
    assert (
        "Ask that serving go on" not in as_person(Role.REVIEWER).get("/console/").content.decode()
    )
    asked = {"act": "ask-resume", "restore": str(restore.uuid), "reason": "looked"}
    assert first.post("/console/", {**asked, "reason": ""}).status_code == 400
    assert first.post("/console/", asked).status_code == 302
    resumed = {"act": "resume", "restore": str(restore.uuid)}
    assert first.post("/console/", resumed).status_code == 403
    assert second.post("/console/", resumed).status_code == 302
    assert "Serving is held" not in second.get("/console/").content.decode()
