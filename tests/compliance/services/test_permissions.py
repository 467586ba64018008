"""Leases: renewed while their gates hold, seen as long as they live, ended for good."""

from datetime import timedelta

import pytest

from compliance.errors import NotPermitted
from compliance.models import ApprovalRequest, AuditEvent, CheckRun, Permission
from compliance.selectors import epoch, live_permissions
from compliance.services import approvals, evaluations, permissions, stops
from compliance.states import Purpose
from config.accounts.selectors import actor_of
from config.core import clock
from config.core.actors import SYSTEM
from tests.factories import compliance as c
from tests.factories import registry as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def approved() -> ApprovalRequest:
    return c.approved()


def _later(seconds: float) -> object:
    latest = Permission.objects.order_by("-renewed_at").first()
    assert latest is not None
    return clock.frozen_at(latest.renewed_at + timedelta(seconds=seconds))


def test_a_lease_is_renewed_when_it_is_due_and_routing_hears_of_it(
    approved: ApprovalRequest,
) -> None:
    before = epoch()
    with _later(1):  # type: ignore[attr-defined]
        assert permissions.renew_due() == 0
        assert epoch() == before
    with _later(20):  # type: ignore[attr-defined]
        assert permissions.renew_due() == 1
        (lease,) = live_permissions()
        assert (lease.sequence, lease.ttl_seconds) == (2, 60)
        assert lease.digest == approved.version.digest
        assert epoch() == (before[0] + 1, before[1])


def test_a_lease_that_nobody_renews_is_gone(approved: ApprovalRequest) -> None:
    with _later(59):  # type: ignore[attr-defined]
        assert len(live_permissions()) == 1
    with _later(61):  # type: ignore[attr-defined]
        assert live_permissions() == []


def test_a_stop_pauses_the_lease_and_its_release_brings_it_back(
    approved: ApprovalRequest, home: object
) -> None:
    user = approved.version.submitted_by
    stop = stops.issue(
        digest=approved.version.digest, reason="wrong", user=user, actor=actor_of(user)
    )
    assert live_permissions() == []
    with pytest.raises(NotPermitted, match="stopped"):
        approvals.require(version=approved.version)
    with _later(20):  # type: ignore[attr-defined]
        assert permissions.renew_due() == 0
        stop.released_at = clock.now()
        stop.save()
        assert permissions.renew_due() == 1


def test_a_failed_live_gate_pauses_the_lease(approved: ApprovalRequest) -> None:
    run = CheckRun.objects.create(
        version=approved.version, kind="live", state="done", policy_version="x"
    )
    result = run.results.create(
        check_id="HIP-06", check_version="1", state="fail", severity="blocking", mode="V"
    )
    result.findings.create(severity="blocking", state="fail", message="changed", fix="restore")
    with _later(20):  # type: ignore[attr-defined]
        assert permissions.renew_due() == 0
    with pytest.raises(NotPermitted, match="nightly"):
        approvals.require(version=approved.version)


def test_an_ended_permission_does_not_come_back(approved: ApprovalRequest) -> None:
    permission = Permission.objects.get(purpose=Purpose.SERVE)
    permissions.end(permission=permission, reason="retired", actor=SYSTEM)
    permissions.end(permission=permission, reason="again", actor=SYSTEM)
    with _later(20):  # type: ignore[attr-defined]
        assert permissions.renew_due() == 0
    permission.refresh_from_db()
    assert permission.ended_reason == "retired"
    ends = AuditEvent.objects.filter(
        action="permission.changed", body__contains='"state":["open","ended"]'
    ).filter(body__contains='"purpose":[null,"serve"]')
    assert ends.count() == 1
    with pytest.raises(NotPermitted, match="no permission"):
        approvals.require(version=approved.version)


def test_an_evaluation_lease_lives_as_long_as_its_run() -> None:
    version = make.version()
    c.run_checks(version)
    user = version.submitted_by
    run = evaluations.request(
        version=version, evaluation_set=c.evaluation_set(), user=user, actor=actor_of(user)
    )
    (lease,) = live_permissions()
    assert (lease.purpose, lease.run_id) == ("evaluate", run.pk)
    assert live_permissions(Purpose.SERVE) == []
    with _later(20):  # type: ignore[attr-defined]
        assert permissions.renew_due() == 1
    c.answer(run)
    assert live_permissions() == []
