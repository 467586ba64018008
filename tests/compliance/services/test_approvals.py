"""Requests: the gate, what freezes, what voids and what does not."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from compliance.domain import record
from compliance.domain.record import RecordFacts
from compliance.errors import (
    GateClosed,
    NotPermitted,
    NotYours,
    RequestClosed,
    SigningRefused,
)
from compliance.models import ApprovalRequest, AuditEvent, CheckRun, EvaluationRow, Permission
from compliance.selectors import changed_fields, open_blockers, open_request, required_of
from compliance.services import approvals, check_runs, rechecks
from compliance.states import ApprovalState
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.core import clock
from config.core.actors import SYSTEM
from config.core.errors import Forbidden, Invalid
from registry.models import Version
from registry.services import labels
from tests.factories import accounts
from tests.factories import compliance as c
from tests.factories import registry as make

pytestmark = pytest.mark.django_db

CHILD = [{"attribute": "age_group", "level": "child"}]


def _relabel(version: Version, **changed: Any) -> None:
    values = {**make.LABEL, **changed}
    labels.change(version=version, user=version.submitted_by, actor=SYSTEM, **values)


def _permitted(version: Version) -> bool:
    rows = Permission.objects.filter(version=version, purpose="serve", ended_at__isnull=True)
    return rows.exists()


def test_a_version_without_evidence_is_refused_with_every_blocker_M37_M40() -> None:
    version = make.version(of=make.adapter(safety_class="A"))
    c.run_checks(version)
    with pytest.raises(GateClosed) as closed:
        c.requested(version)
    ids = {row["check_id"] for row in closed.value.errors}
    assert {"CLN-01", "CLN-04", "CLN-07"} <= ids
    assert all(row["fix"] for row in closed.value.errors)
    assert closed.value.status == 409
    refused = AuditEvent.objects.get(action="approval.request_refused")
    assert refused.object_id == str(version.uuid)


def test_unfinished_checks_keep_the_gate_closed() -> None:
    version = make.version(of=make.adapter(safety_class="A"))
    assert {row.check_id for row in open_blockers(version)} == {"package", "evidence"}


def test_a_population_of_the_label_without_cases_is_refused() -> None:
    """CLN-04 blocks in class A too."""
    version = make.version(of=make.adapter(safety_class="A"))
    _relabel(version, population=[*make.LABEL["population"], *CHILD])
    c.evaluated(version)
    with pytest.raises(GateClosed) as closed:
        c.requested(version)
    assert [row["check_id"] for row in closed.value.errors] == ["CLN-04"]


def test_only_who_may_ask_asks() -> None:
    version = c.evaluated()
    operator = accounts.user(Role.OPERATOR)
    with pytest.raises(Forbidden, match="ml_engineer"):
        approvals.request(version=version, user=operator, actor=actor_of(operator))


def test_the_record_is_stored_once_and_the_request_is_found_again(
    request_: ApprovalRequest,
) -> None:
    assert record.record_sha256(request_.record.content.encode()) == request_.record.sha256
    assert c.requested(request_.version).pk == request_.pk
    assert open_request(request_.version) == request_
    assert request_.required_meanings == ["reviewed_technical", "approved"]


def test_what_a_class_asks_for_is_frozen_with_the_request() -> None:
    version = make.version(of=make.adapter(safety_class="C"))
    request = c.requested(c.evaluated(version))
    assert len(request.required_meanings) == 5
    assert [due.meaning for due in required_of(version)] == request.required_meanings


def test_class_c_is_approved_by_five_persons_of_four_roles() -> None:
    version = make.version(of=make.adapter(safety_class="C"))
    request = c.requested(c.evaluated(version))
    c.signer(Role.REVIEWER).sign(request, "reviewed_technical")
    c.signer(Role.CLINICAL_REVIEWER).sign(request, "reviewed_clinical")
    c.signer(Role.PRIVACY_OFFICER).sign(request, "reviewed_privacy")
    c.signer(Role.CLINICAL_REVIEWER).sign(request, "approved")
    assert not _permitted(version)
    c.signer(Role.COMPLIANCE_OFFICER).sign(request, "approved")
    assert _permitted(version)


def test_a_changed_population_voids_all_visibly() -> None:
    request = c.approved()
    assert _permitted(request.version)
    _relabel(request.version, population=CHILD)
    request.refresh_from_db()
    assert request.state == ApprovalState.VOID
    assert "label.population[0].level" in request.closed_reason
    assert not _permitted(request.version)
    event = AuditEvent.objects.get(action="approval.voided")
    assert '"label.population[0].level":["adult","child"]' in event.body
    permission = Permission.objects.get(version=request.version, purpose="serve")
    assert "label" in permission.ended_reason
    with pytest.raises(NotPermitted):
        approvals.require(version=request.version)


def test_a_changed_label_voids_an_open_request_too(request_: ApprovalRequest) -> None:
    c.signer(Role.REVIEWER).sign(request_, "reviewed_technical")
    _relabel(request_.version, limits="Not at night")
    request_.refresh_from_db()
    assert request_.state == ApprovalState.VOID


def test_the_same_label_said_again_voids_nothing() -> None:
    request = c.approved()
    _relabel(request.version)
    request.refresh_from_db()
    assert request.state == ApprovalState.APPROVED


def test_a_nightly_recheck_voids_nothing() -> None:
    request = c.approved()
    with clock.frozen_at(clock.now() + timedelta(days=200)):
        assert rechecks.open_due() == 1
        c.run_checks(request.version)
        # Even all checks again, of which CLN-07 finds the evaluation too old by now.
        for kind in (CheckRun.Kind.PACKAGE, CheckRun.Kind.EVIDENCE):
            check_runs.open(version=request.version, kind=kind)
        c.run_checks(request.version)
        assert approvals.void_changed(version=request.version) == 0
        assert changed_fields(request) == []
        request.refresh_from_db()
        assert request.state == ApprovalState.APPROVED
        assert approvals.require(version=request.version)
    assert CheckRun.objects.filter(kind="live", state="done").count() == 1


def test_a_new_record_schema_voids_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that adds a field to records: what was signed is compared by its own schema."""
    request = c.approved()

    def project_2(facts: RecordFacts) -> dict[str, Any]:
        return {
            **record.project_1(facts),
            "record_schema": 2,
            "commit_id": facts.version["commit_id"],
        }

    monkeypatch.setitem(record.PROJECTIONS, 2, project_2)
    assert approvals.void_changed(version=request.version) == 0
    assert changed_fields(request) == []
    assert c.requested().record.record_schema == 2


def test_a_migration_that_adds_a_column_voids_nothing() -> None:
    request = c.approved()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE registry_label ADD COLUMN added text NOT NULL DEFAULT 'x'")
        cursor.execute("ALTER TABLE registry_adapter ADD COLUMN added integer DEFAULT 7")
        cursor.execute("ALTER TABLE compliance_checkresult ADD COLUMN added text DEFAULT ''")
    assert approvals.void_changed(version=request.version) == 0
    assert approvals.require(version=request.version)


def test_more_evidence_makes_a_new_revision_and_the_approval_holds_until_then() -> None:
    request = c.approved()
    version = request.version
    c.evaluated(version, on=c.evaluation_set())
    request.refresh_from_db()
    assert request.state == ApprovalState.APPROVED
    newer = c.requested(version)
    assert newer.revision == 2
    assert newer.record.sha256 != request.record.sha256
    assert _permitted(version)
    c.signer(Role.REVIEWER).sign(newer, "reviewed_technical")
    c.signer(Role.COMPLIANCE_OFFICER).sign(newer, "approved")
    request.refresh_from_db()
    assert request.state == ApprovalState.VOID
    open_ones = Permission.objects.filter(version=version, purpose="serve", ended_at=None)
    assert [row.request_id for row in open_ones] == [newer.pk]


def test_an_open_request_gives_way_to_more_evidence(request_: ApprovalRequest) -> None:
    c.evaluated(request_.version, on=c.evaluation_set())
    newer = c.requested(request_.version)
    request_.refresh_from_db()
    assert request_.state == ApprovalState.VOID
    assert newer.state == ApprovalState.OPEN


def test_a_changed_evaluation_row_is_found_by_the_nightly_round() -> None:
    request = c.approved()
    row = EvaluationRow.objects.filter(run__version=request.version).first()
    assert row is not None
    EvaluationRow.objects.filter(pk=row.pk).update(given="urgent", is_correct=False)
    rechecks.open_due()
    request.refresh_from_db()
    assert request.state == ApprovalState.VOID
    assert "evaluations[0]" in request.closed_reason


def test_a_changed_stored_record_is_found() -> None:
    request = c.approved()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE compliance_record SET content = replace(content, 'adult', 'elder')")
        cursor.execute("SET LOCAL session_replication_role = origin")
    fresh = ApprovalRequest.objects.get(pk=request.pk)
    assert changed_fields(fresh)[0]["field"] == "record"


def test_evidence_that_the_checks_have_not_seen_is_judged_first() -> None:
    """Another version went live since: the comparison is made anew before people are asked."""
    adapter = make.adapter(safety_class="A")
    on = c.evaluation_set(given=c.items(180))
    stable = c.evaluated(make.version(of=adapter), on=on)
    candidate = c.evaluated(make.version(of=adapter), on=on)
    make.go_live(stable)
    with pytest.raises(GateClosed, match="evidence"):
        c.requested(candidate)
    c.run_checks(candidate)
    assert c.requested(candidate).state == ApprovalState.OPEN


def test_a_rejection_has_a_reason_and_a_proof_and_ends_the_request(
    request_: ApprovalRequest,
) -> None:
    reviewer = c.signer(Role.REVIEWER)
    with pytest.raises(Invalid):
        reviewer.reject(request_, " ")
    with pytest.raises(Invalid, match="501 characters, 500 are kept"):
        reviewer.reject(request_, "x" * 501)
    with pytest.raises(SigningRefused):
        reviewer.reject(request_, "too weak", password="a guess")
    request_.refresh_from_db()
    assert request_.state == ApprovalState.OPEN
    reviewer.reject(request_, "too weak")
    request_.refresh_from_db()
    assert (request_.state, request_.closed_reason) == (ApprovalState.REJECTED, "too weak")
    event = AuditEvent.objects.get(action="approval.rejected")
    assert json.loads(event.body)["diff"]["record_sha256"][1] == request_.record.sha256
    with pytest.raises(RequestClosed):
        reviewer.reject(request_, "again")


def test_a_rejection_by_a_program_is_refused(request_: ApprovalRequest) -> None:
    reviewer = c.signer(Role.REVIEWER)
    with pytest.raises(NotYours):
        reviewer.reject(request_, "x", actor=actor_of(reviewer.user, session="token:fml_abc"))


def test_who_can_not_sign_can_not_reject(request_: ApprovalRequest) -> None:
    with pytest.raises(Forbidden):
        c.signer(Role.OPERATOR).reject(request_, "no")
