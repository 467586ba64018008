"""Signing beside other work: at the same moment, and what stays of an attempt that failed."""

import threading

import pytest
from django.db import connection

from compliance.errors import NotYours, SigningRefused
from compliance.models import ApprovalRequest, AuditEvent, Permission, Signature
from compliance.states import ApprovalState
from config.accounts.roles import Role
from config.core.actors import SYSTEM
from config.core.errors import DomainError
from registry.services import labels
from tests.factories import compliance as c

pytestmark = pytest.mark.django_db(transaction=True)

TECHNICAL, APPROVED = "reviewed_technical", "approved"


def _actions(prefix: str) -> list[str]:
    rows = AuditEvent.objects.filter(action__startswith=prefix).order_by("pk")
    return list(rows.values_list("action", flat=True))


def test_two_people_sign_at_the_same_moment() -> None:
    """Of two technical reviews one counts; the other is told that the next one is due."""
    request = c.requested()
    signers = [c.signer(Role.REVIEWER), c.signer(Role.REVIEWER)]
    start, outcomes = threading.Barrier(2, timeout=60), []

    def sign(signer: c.Signer) -> None:
        try:
            mine = ApprovalRequest.objects.get(pk=request.pk)
            start.wait(30)
            outcomes.append(signer.sign(mine, TECHNICAL).position)
        except DomainError as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=sign, args=(signer,)) for signer in signers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes, key=str) == [0, "signature-out-of-order"]
    assert Signature.objects.filter(request=request).count() == 1
    assert _actions("signature.refused") == ["signature.refused"]


def test_a_label_changed_while_somebody_signs_never_leaves_an_approval() -> None:
    """Whoever is first: afterwards the approval is void, or it was never given."""
    request = c.requested()
    c.signer(Role.REVIEWER).sign(request, TECHNICAL)
    approver, version = c.signer(Role.COMPLIANCE_OFFICER), request.version
    start = threading.Barrier(2, timeout=60)

    def sign() -> None:
        try:
            mine = ApprovalRequest.objects.get(pk=request.pk)
            start.wait(30)
            approver.sign(mine, APPROVED)
        except DomainError:
            pass
        finally:
            connection.close()

    def change() -> None:
        try:
            start.wait(30)
            labels.change(
                version=version,
                user=version.submitted_by,
                actor=SYSTEM,
                purpose="Sorts notes",
                population=[{"attribute": "age_group", "level": "child"}],
            )
        finally:
            connection.close()

    threads = [threading.Thread(target=target) for target in (sign, change)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    request.refresh_from_db()
    assert request.state == ApprovalState.VOID
    assert not Permission.objects.filter(purpose="serve", ended_at__isnull=True).exists()


def test_failed_attempts_are_kept_when_nothing_else_is() -> None:
    request = c.requested()
    with pytest.raises(SigningRefused):
        c.signer(Role.REVIEWER).sign(request, TECHNICAL, password="wrong")
    with pytest.raises(NotYours):
        c.signer(Role.OPERATOR).sign(request, TECHNICAL)
    assert _actions("signature.") == ["signature.attempt_failed", "signature.refused"]
