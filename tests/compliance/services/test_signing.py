"""The signing act: who may, what is compared, what is counted, what can't be forged."""

from datetime import timedelta

import pytest

from compliance.errors import (
    GateClosed,
    NotYours,
    OutOfOrder,
    RecordChanged,
    RequestClosed,
    SigningLocked,
    SigningRefused,
)
from compliance.models import (
    ApprovalRequest,
    AuditEvent,
    EvaluationSet,
    Permission,
    Signature,
)
from compliance.selectors import manifestation, verify_signatures
from compliance.states import ApprovalState
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.accounts.services import roles
from config.core import clock
from config.core.actors import SYSTEM
from config.core.errors import Invalid
from registry.services import labels
from tests.factories import accounts
from tests.factories import compliance as c
from tests.factories import registry as make

pytestmark = pytest.mark.django_db

TECHNICAL, APPROVED = "reviewed_technical", "approved"


def _actions(prefix: str) -> list[str]:
    rows = AuditEvent.objects.filter(action__startswith=prefix).order_by("pk")
    return list(rows.values_list("action", flat=True))


def test_two_persons_approve_and_the_permission_follows(request_: ApprovalRequest) -> None:
    first = c.signer(Role.REVIEWER).sign(request_, TECHNICAL)
    request_.refresh_from_db()
    assert request_.state == ApprovalState.OPEN
    assert not Permission.objects.filter(purpose="serve").exists()
    second = c.signer(Role.COMPLIANCE_OFFICER).sign(request_, APPROVED, comment="fine")
    request_.refresh_from_db()
    assert request_.state == ApprovalState.APPROVED
    permission = Permission.objects.get(purpose="serve")
    assert permission.digest == request_.version.digest
    assert permission.record_sha256 == request_.record.sha256
    assert second.previous_payload_sha256 == first.payload_sha256
    assert [found.faults for found in verify_signatures(request_)] == [(), ()]
    assert _actions("signature.") == ["signature.created", "signature.created"]
    assert _actions("version.approved") == ["version.approved"]


def test_the_manifestation_says_name_time_and_meaning(request_: ApprovalRequest) -> None:
    signer = c.signer(Role.REVIEWER, of=accounts.person("Jane A. Doe, MD"))
    text = manifestation(signer.sign(request_, TECHNICAL))
    assert text.startswith("Reviewed – technical — signed electronically by Jane A. Doe, MD (")
    assert f"UTC; record sha256 {request_.record.sha256}; signature id " in text


def test_an_author_can_not_sign_with_any_role(request_: ApprovalRequest) -> None:
    author = request_.version.submitted_by
    roles.grant(user=author, role=Role.REVIEWER, granted_by=None, actor=SYSTEM)
    signer = c.Signer(author, accounts.totp_secret(author))
    with pytest.raises(NotYours, match="owns the adapter and can't sign"):
        signer.sign(request_, TECHNICAL)
    assert _actions("signature.") == ["signature.refused"]


def test_a_second_account_of_the_author_can_not_sign(request_: ApprovalRequest) -> None:
    signer = c.signer(Role.REVIEWER, of=request_.version.submitted_by.person)
    with pytest.raises(NotYours, match="can't sign"):
        signer.sign(request_, TECHNICAL)


def test_one_person_with_two_accounts_can_not_sign_twice(request_: ApprovalRequest) -> None:
    person = accounts.person()
    c.signer(Role.REVIEWER, of=person).sign(request_, TECHNICAL)
    with pytest.raises(NotYours, match="signed this record already"):
        c.signer(Role.COMPLIANCE_OFFICER, of=person).sign(request_, APPROVED)
    request_.refresh_from_db()
    assert request_.state == ApprovalState.OPEN


def test_who_wrote_the_label_or_asked_for_the_evaluation_is_an_author() -> None:
    version = make.version(of=make.adapter(safety_class="A"))
    writer = accounts.user(Role.ML_ENGINEER, Role.REVIEWER)
    labels.change(
        version=version,
        user=writer,
        actor=actor_of(writer),
        purpose="Sorts notes",
        population=[{"attribute": "age_group", "level": "adult"}],
    )
    asker = accounts.user(Role.REVIEWER)
    request = c.requested(c.evaluated(version, by=asker))
    for user, deed in ((writer, "wrote the label"), (asker, "asked for the deciding evaluation")):
        with pytest.raises(NotYours, match=deed):
            c.Signer(user, accounts.totp_secret(user)).sign(request, TECHNICAL)
    # Who locked the set is none: a set knows no version.
    locker = EvaluationSet.objects.latest("pk").locked_by
    c.Signer(locker, accounts.totp_secret(locker)).sign(request, TECHNICAL)


def test_a_superuser_has_no_bypass(request_: ApprovalRequest) -> None:
    signer = c.signer(Role.ADMINISTRATOR)
    signer.user.is_superuser = True
    signer.user.save()
    with pytest.raises(NotYours, match="needs the role reviewer"):
        signer.sign(request_, TECHNICAL)


def test_a_role_that_ended_does_not_count(request_: ApprovalRequest) -> None:
    signer = c.signer(Role.REVIEWER)
    roles.end(user=signer.user, role=Role.REVIEWER, actor=SYSTEM)
    with pytest.raises(NotYours, match="needs the role"):
        signer.sign(request_, TECHNICAL)


def test_the_order_is_kept(request_: ApprovalRequest) -> None:
    with pytest.raises(OutOfOrder, match="next signature is reviewed_technical"):
        c.signer(Role.COMPLIANCE_OFFICER).sign(request_, APPROVED)
    c.signer(Role.REVIEWER).sign(request_, TECHNICAL)
    said = "has given this signature already. The next signature is approved .“Approved for dep"
    with pytest.raises(OutOfOrder, match=said):
        c.signer(Role.REVIEWER).sign(request_, TECHNICAL)


@pytest.mark.parametrize(
    "wrong", [{"username": "somebody"}, {"password": "not it"}, {"code": "000000"}, {"code": ""}]
)
def test_each_component_is_needed(request_: ApprovalRequest, wrong: dict[str, str]) -> None:
    with pytest.raises(SigningRefused):
        c.signer(Role.REVIEWER).sign(request_, TECHNICAL, **wrong)
    assert not Signature.objects.exists()
    assert _actions("signature.") == ["signature.attempt_failed"]


def test_a_comment_is_signed_whole_or_not_at_all(request_: ApprovalRequest) -> None:
    signer = c.signer(Role.REVIEWER)
    with pytest.raises(Invalid, match="1001 characters, 1000 are kept"):
        signer.sign(request_, TECHNICAL, comment="x" * 1001)
    assert not Signature.objects.exists()
    assert _actions("signature.") == ["signature.refused"]
    assert signer.sign(request_, TECHNICAL, comment="x" * 1000).comment == "x" * 1000


def test_a_code_counts_once(request_: ApprovalRequest) -> None:
    signer = c.signer(Role.REVIEWER, Role.COMPLIANCE_OFFICER)
    with clock.frozen_at(clock.now()):
        code = signer.code()
        values = {"password": "wrong", "code": code}
        with pytest.raises(SigningRefused):
            signer.sign(request_, TECHNICAL, **values)
        signer.steps -= 1
        signer.sign(request_, TECHNICAL, code=code)
        other = c.requested()
        signer.steps -= 1
        with pytest.raises(SigningRefused):
            signer.sign(other, TECHNICAL, code=code)


def test_the_same_post_again_signs_nothing(request_: ApprovalRequest) -> None:
    signer = c.signer(Role.REVIEWER)
    code: dict[str, str] = {}
    with clock.frozen_at(clock.now()):
        code["code"] = signer.code()
        signer.sign(request_, TECHNICAL, **code)
        with pytest.raises(OutOfOrder):
            signer.sign(request_, TECHNICAL, **code)
    assert Signature.objects.count() == 1


def test_five_failures_lock_the_signer_for_a_quarter_of_an_hour(
    request_: ApprovalRequest,
) -> None:
    signer = c.signer(Role.REVIEWER)
    for _ in range(5):
        with pytest.raises(SigningRefused):
            signer.sign(request_, TECHNICAL, password="wrong")
    with pytest.raises(SigningLocked) as locked:
        signer.sign(request_, TECHNICAL)
    assert 0 < (locked.value.retry_after_seconds or 0) <= 15 * 60
    assert _actions("signature.") == ["signature.attempt_failed"] * 6
    with clock.frozen_at(clock.now() + timedelta(minutes=20)):
        signer.sign(request_, TECHNICAL)


def test_four_failures_and_a_success_start_again(request_: ApprovalRequest) -> None:
    signer = c.signer(Role.REVIEWER)
    for _ in range(4):
        with pytest.raises(SigningRefused):
            signer.sign(request_, TECHNICAL, password="wrong")
    signer.sign(request_, TECHNICAL)
    other = c.requested()
    for _ in range(4):
        with pytest.raises(SigningRefused):
            signer.sign(other, TECHNICAL, password="wrong")
    signer.sign(other, TECHNICAL)


def test_a_token_and_a_program_can_not_sign(request_: ApprovalRequest) -> None:
    signer = c.signer(Role.REVIEWER)
    token = actor_of(signer.user, session="token:fml_abc")
    other = actor_of(accounts.user(Role.REVIEWER), session="session:x")
    for actor in (token, SYSTEM, other):
        with pytest.raises(NotYours, match="API token"):
            signer.sign(request_, TECHNICAL, actor=actor)


def test_who_has_not_read_can_not_sign(request_: ApprovalRequest) -> None:
    with pytest.raises(NotYours, match="read the record"):
        c.signer(Role.REVIEWER).sign(request_, TECHNICAL, has_read=False)


def test_another_record_than_the_one_read_is_refused(request_: ApprovalRequest) -> None:
    with pytest.raises(RecordChanged) as changed:
        c.signer(Role.REVIEWER).sign(request_, TECHNICAL, record_sha256="0" * 64)
    assert changed.value.errors[0]["field"] == "record_sha256"
    assert changed.value.status == 409


def test_a_record_changed_behind_the_application_is_refused(request_: ApprovalRequest) -> None:
    adapter = request_.version.adapter
    type(adapter).objects.filter(pk=adapter.pk).update(safety_class="B")
    fresh = ApprovalRequest.objects.get(pk=request_.pk)
    with pytest.raises(RecordChanged) as changed:
        c.signer(Role.REVIEWER).sign(fresh, TECHNICAL)
    assert changed.value.errors == [{"field": "adapter.safety_class", "signed": "A", "now": "B"}]


def test_newer_evidence_that_blocks_closes_the_gate(request_: ApprovalRequest) -> None:
    worse = c.evaluation_set()
    c.evaluated(request_.version, on=worse, how=lambda _: "routine")
    with pytest.raises(GateClosed):
        c.signer(Role.REVIEWER).sign(request_, TECHNICAL)


def test_a_closed_request_takes_no_signature() -> None:
    request = c.approved()
    with pytest.raises(RequestClosed):
        c.signer(Role.REVIEWER).sign(request, TECHNICAL)
