"""Legal holds through the API: who may, what is held, and what a released one leaves."""

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from compliance.models import AuditEvent
from config.accounts.models import User
from config.accounts.roles import Role
from registry.models import Hold, TrainingRun, Version
from tests.factories import accounts
from tests.factories import registry as make

pytestmark = pytest.mark.django_db
WORDS = {"matter": "case 2026-14", "reason": "A court asked for it"}


@pytest.fixture
def officer_account(db: None) -> User:
    return accounts.user(Role.PRIVACY_OFFICER)


@pytest.fixture
def officer(officer_account: User) -> APIClient:
    return accounts.client_of(officer_account)


@pytest.fixture
def version() -> Version:
    return make.version(of=make.adapter(slug="triage"), version_name="v1")


def _place(client: APIClient, **body: Any) -> Any:
    return client.post("/api/v1/holds", WORDS | body, format="json")


def _digests(version: Version) -> set[str]:
    return set(version.files.values_list("blob__sha256", flat=True))


def test_a_version_is_held_file_by_file_and_once(
    officer: APIClient, officer_account: User, version: Version
) -> None:
    answer = _place(officer, version="triage@v1")
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert body["placed_count"] == len(_digests(version))
    assert {hold["sha256"] for hold in body["holds"]} == _digests(version)
    hold = body["holds"][0]
    assert hold["placed_on"] == "triage@v1" and hold["released_at"] is None
    assert hold["placed_by"] == officer_account.username
    again = _place(officer, version="triage@v1", reason="Asked once more")
    assert again.status_code == 200 and again.json()["placed_count"] == 0
    assert [row["uuid"] for row in again.json()["holds"]] == [row["uuid"] for row in body["holds"]]
    other = _place(officer, version="triage@v1", matter="case 2")
    assert other.status_code == 201
    placed = AuditEvent.objects.filter(action="hold.placed")
    assert placed.count() == 2 * len(_digests(version))
    assert '"triage@v1"' in placed[0].body


def test_adapters_trainings_and_bare_digests_are_held_too(
    officer: APIClient, version: Version
) -> None:
    second = make.version(of=version.adapter, version_name="v2", files=make.package(seed=5))
    held = {row["sha256"] for row in _place(officer, adapter="triage").json()["holds"]}
    assert held == _digests(version) | _digests(second)
    run = TrainingRun.objects.create(
        adapter=version.adapter,
        base_model=version.adapter.base_model,
        seed=1,
        parameters={},
        data=[{"file": str(uuid4()), "kind": "txt", "sha256": "5" * 64, "size_bytes": 9}],
        requested_by=version.adapter.owner,
    )
    (row,) = _place(officer, training_run=str(run.uuid)).json()["holds"]
    assert (row["sha256"], row["placed_on"]) == ("5" * 64, f"the data of training {run.uuid}")
    (row,) = _place(officer, sha256=["6" * 64]).json()["holds"]
    assert (row["sha256"], row["placed_on"]) == ("6" * 64, "")


def test_a_hold_is_released_once_with_a_reason(officer: APIClient, version: Version) -> None:
    hold, *others = _place(officer, version="triage@v1").json()["holds"]
    path = f"/api/v1/holds/{hold['uuid']}"
    assert officer.post(f"{path}/release", {}).status_code == 400
    assert officer.post(f"{path}/release", {"reason": "  "}).status_code == 400
    ended = officer.post(f"{path}/release", {"reason": "Settled"})
    assert ended.status_code == 200, ended.content
    assert ended.json()["release_reason"] == "Settled" and ended.json()["released_at"]
    again = officer.post(f"{path}/release", {"reason": "Settled"})
    assert (again.status_code, again.json()["code"]) == (404, "hold-not-found")
    assert officer.get(path).json() == ended.json()
    assert Hold.objects.filter(released_at=None).count() == len(others)
    assert AuditEvent.objects.get(action="hold.released").object_id == hold["sha256"]


def test_the_list_is_filtered_by_state_bytes_and_version(
    officer: APIClient, version: Version
) -> None:
    hold, *_ = _place(officer, version="triage@v1").json()["holds"]
    _place(officer, sha256=["6" * 64])
    officer.post(f"/api/v1/holds/{hold['uuid']}/release", {"reason": "Settled"})

    def listed(query: str) -> set[str]:
        answer = officer.get(f"/api/v1/holds{query}")
        assert answer.status_code == 200, answer.content
        return {row["sha256"] for row in answer.json()["results"]}

    everything = _digests(version) | {"6" * 64}
    assert listed("") == everything
    assert listed("?state=open") == everything - {hold["sha256"]}
    assert listed("?state=released") == {hold["sha256"]}
    assert listed("?sha256=" + "6" * 64) == {"6" * 64}
    assert listed("?version=triage@v1") == _digests(version)
    assert listed("?version=triage@v1&state=released") == {hold["sha256"]}
    for query in ("state=closed", "state=", "sha256=abc", "sha256="):
        refused = officer.get(f"/api/v1/holds?{query}")
        assert (refused.status_code, refused.json()["code"]) == (400, "query-invalid"), query
    assert officer.get("/api/v1/holds?version=").status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"version": "triage@v1", "adapter": "triage"},
        {"sha256": []},
        {"sha256": ["ABC"]},
        {"version": "triage@v1", "matter": " "},
        {"version": "triage@v1", "reason": ""},
        {"version": "triage@v1", "matter": "m" * 101},
    ],
)
def test_what_names_nothing_or_says_nothing_is_refused(
    officer: APIClient, version: Version, body: dict[str, Any]
) -> None:
    assert _place(officer, **body).status_code == 400
    assert not Hold.objects.exists()


def test_an_adapter_without_versions_can_not_be_held(officer: APIClient) -> None:
    make.adapter(slug="empty")
    answer = _place(officer, adapter="empty")
    assert (answer.status_code, answer.json()["code"]) == (400, "hold-invalid")
    assert _place(officer, adapter="nowhere").status_code == 404


def test_privacy_and_compliance_officers_place_holds_and_auditors_read_them(
    officer: APIClient, officer_account: User, version: Version
) -> None:
    (hold,) = _place(officer, sha256=["6" * 64]).json()["holds"]
    release = f"/api/v1/holds/{hold['uuid']}/release"
    for role, reads, writes in (
        (Role.ML_ENGINEER, 403, 403),
        (Role.REVIEWER, 403, 403),
        (Role.APPLICATION, 403, 403),
        (Role.OPERATOR, 200, 403),
        (Role.ADMINISTRATOR, 200, 403),
        (Role.COMPLIANCE_OFFICER, 200, 200),
    ):
        client = accounts.client_of(accounts.user(role))
        assert client.get("/api/v1/holds").status_code == reads, role
        assert client.get(f"/api/v1/holds/{hold['uuid']}").status_code == reads, role
        assert _place(client, sha256=["6" * 64]).status_code == writes, role
        assert client.post(release, {"reason": "Settled"}).status_code == writes, role
    assert APIClient().get("/api/v1/holds").status_code == 401
    narrow = accounts.client_of(officer_account, "audit:read")
    assert _place(narrow, sha256=["7" * 64]).status_code == 403
