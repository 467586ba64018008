"""What was signed can't be changed, swapped or taken away unseen."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from compliance.errors import RecordChanged
from compliance.models import ApprovalRequest, Signature
from compliance.selectors import verify_signatures
from compliance.services.verification import verify
from config.accounts.roles import Role
from config.core import clock
from tests.factories import compliance as c

pytestmark = pytest.mark.django_db

TECHNICAL, APPROVED = "reviewed_technical", "approved"


def _as_owner(change: Callable[[], object]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        change()


def test_swapped_signature_rows_are_found() -> None:
    """Each row is genuine and stands where the other belongs."""
    one, two = c.approved(), c.approved()
    first, second = one.signatures.get(position=0), two.signatures.get(position=0)

    def swap() -> None:
        rows = Signature.objects
        rows.filter(pk=first.pk).update(position=9)
        rows.filter(pk=second.pk).update(request=one)
        rows.filter(pk=first.pk).update(request=two, position=0)

    _as_owner(swap)
    for request in (one, two):
        found = verify_signatures(request)
        assert not found[0].is_valid
        assert "it was given under another record" in found[0].faults
        assert "it does not follow the signature before it" in found[1].faults
    failures = [line for line in verify().lines if not line.is_ok]
    # Four signatures that do not hold, so that neither approval has those that it needs.
    assert [line.what for line in failures] == ["signatures"] * 4 + ["approvals"] * 2


def test_a_deleted_signature_is_missed_by_the_trail(request_: ApprovalRequest) -> None:
    signature = c.signer(Role.REVIEWER).sign(request_, TECHNICAL)
    assert verify().is_clean
    _as_owner(lambda: Signature.objects.all().delete())
    bad = verify().first_bad
    assert bad is not None
    assert bad.text == f"signature {signature.uuid} is in the trail and its row is gone"


def test_the_verifier_names_the_field_that_changed_after_signing() -> None:
    request = c.approved()
    label = request.version.labels.get()
    type(label).objects.filter(pk=label.pk).update(limits="none at all")
    bad = verify().first_bad
    assert bad is not None
    assert bad.text.endswith('changed after it was signed: label.limits "" -> "none at all"')


@pytest.mark.parametrize(
    "column, value",
    [
        ("printed_name", "Somebody Else"),
        ("meaning", "approved"),
        ("role", "privacy_officer"),
        ("comment", "changed"),
        ("record_sha256", "0" * 64),
        ("server_signature", "AAAA"),
        ("payload_sha256", "0" * 64),
        ("signed_at", clock.now() - timedelta(days=3)),
    ],
)
def test_an_edited_signature_is_found(column: str, value: Any, request_: ApprovalRequest) -> None:
    c.signer(Role.REVIEWER).sign(request_, TECHNICAL)
    _as_owner(lambda: Signature.objects.update(**{column: value}))
    assert not verify_signatures(request_)[0].is_valid
    with pytest.raises(RecordChanged, match="does not verify"):
        c.signer(Role.COMPLIANCE_OFFICER).sign(request_, APPROVED)


@pytest.mark.parametrize("table", ["signature", "record"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = id", "DELETE FROM {}"])
def test_the_database_refuses_to_change_signatures_and_records(
    table: str, statement: str, request_: ApprovalRequest
) -> None:
    c.signer(Role.REVIEWER).sign(request_, TECHNICAL)
    with (
        pytest.raises(DatabaseError, match="never changed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(f"compliance_{table}"))
