"""The signing act: prove the signer, compare the record under lock, sign, chain, permit."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from django.db import transaction

from compliance.domain.separation import Account, refusal, role_used
from compliance.domain.signing import payload_bytes, server_signature
from compliance.domain.statements import STATEMENTS, VERSION
from compliance.errors import (
    GateClosed,
    NotYours,
    OutOfOrder,
    RecordChanged,
    RequestClosed,
    SigningLocked,
    SigningRefused,
)
from compliance.events import RecordSigned, VersionApproved
from compliance.models import ApprovalRequest, Signature, SigningLock
from compliance.selectors.approvals import account_of, authors_of, required_of
from compliance.selectors.checks import open_blockers
from compliance.selectors.records import changed_fields
from compliance.selectors.signatures import payload_columns, verify_signatures
from compliance.services import audit, permissions, voiding
from compliance.states import APPROVAL_MOVES, ApprovalState, Meaning, Purpose
from config.accounts.errors import SecondFactorLocked
from config.accounts.models import User
from config.accounts.roles import Act
from config.accounts.selectors import roles_of, who_could
from config.accounts.services import second_factors
from config.core import clock, keys
from config.core.actors import Actor
from config.core.digests import sha256_hex
from config.core.errors import Conflict, DomainError, Invalid
from config.core.events import publish
from config.core.failpoints import failpoint
from config.core.states import move
from registry.models import Version

MAX_FAILURES = 5
LOCKED_FOR = timedelta(minutes=15)
COMMENT_CHARS, REASON_CHARS = 1000, 500
AUTH_METHODS = ("user name", "password", "totp")


@dataclass(frozen=True, kw_only=True)
class Intent:
    """What a signer wants to put his name to."""

    meaning: str
    record_sha256: str
    has_read: bool
    comment: str


def sign(
    *,
    request: ApprovalRequest,
    meaning: str,
    record_sha256: str,
    user: User,
    actor: Actor,
    username: str,
    password: str,
    code: str,
    has_read: bool,
    comment: str = "",
) -> Signature:
    """Sign a frozen record; the last signature that is due issues the permission.

    Everything is checked twice: before the code is spent, and again under lock. A refused attempt
    is an audit event of its own; a wrong user name, password or code counts, and five of them lock
    the signer for 15 minutes.

    Raises:
        NotYours: an author, a second signature of one person, a missing role, or an API token.
        OutOfOrder: another signature is due.
        RecordChanged: ``errors`` lists the fields that differ.
        RequestClosed: the request takes no signatures.
        GateClosed: newer evidence blocks the version.
        SigningRefused: user name, password and code did not prove the signer.
        SigningLocked: too many failures.
        Invalid: the comment is too long.
    """
    intent = Intent(
        meaning=str(meaning), record_sha256=record_sha256, has_read=has_read, comment=comment
    )
    with _refusals_recorded(request, actor):
        refuse_token(actor, user)
        refuse_long(comment, most=COMMENT_CHARS, what="The comment")
        _check(request, intent, user)
    prove(request, actor, user=user, username=username, password=password, code=code)
    with _refusals_recorded(request, actor), transaction.atomic(durable=True):
        # Labels are changed under the version's lock, so the record can't change meanwhile.
        Version.objects.select_for_update(no_key=True).get(pk=request.version_id)
        locked = ApprovalRequest.objects.select_for_update(no_key=True).get(pk=request.pk)
        _check(locked, intent, user)
        signature = _write(locked, intent, user, actor)
        if signature.position + 1 == len(required_of(locked.version)):
            _approve(locked, actor)
        failpoint("signing.before_commit")
    failpoint("signing.committed")
    return signature


@contextmanager
def _refusals_recorded(request: ApprovalRequest, actor: Actor) -> Iterator[None]:
    try:
        yield
    except DomainError as error:
        audit.record_refusal(
            action="signature.refused",
            actor=actor,
            object_type="approval_request",
            object_id=str(request.uuid),
            reason=f"{error.code}: {error.message}",
        )
        raise


def _named(meaning: str) -> str:
    return f"{meaning} (“{STATEMENTS[meaning].name}”)" if meaning in STATEMENTS else meaning[:40]


def _given_already(request: ApprovalRequest, meaning: str) -> str:
    """Who was faster: two reviewers at once, or one who pressed twice."""
    given = request.signatures.filter(meaning=meaning).order_by("position").first()
    return f"{given.printed_name} has given this signature already. " if given else ""


def refuse_long(text: str, *, most: int, what: str) -> None:
    """Refuse words that would not be kept whole: nobody signs under half a sentence.

    Raises:
        Invalid: ``text`` has more than ``most`` characters.
    """
    if len(text) > most:
        said = f"{what} has {len(text)} characters, {most} are kept."
        raise Invalid(said, fix="Say it in fewer words.")


def refuse_token(actor: Actor, user: User) -> None:
    """Refuse whoever is not the person himself.

    Raises:
        NotYours: the act comes from an API token, a program or another account.
    """
    is_own = actor.kind == "user" and actor.user_id == user.pk
    if not is_own or actor.session.startswith("token:"):
        raise NotYours(
            "A signature can't be given with an API token or by a program.",
            fix="Sign in with your own account and sign on the signing page.",
        )


def _check(request: ApprovalRequest, intent: Intent, user: User) -> None:
    """Everything that speaks against this signature and is not the signer's proof."""
    if request.state != ApprovalState.OPEN:
        raise RequestClosed(
            f"Revision {request.revision} is {request.state} and takes no signatures.",
            fix="Look at the version's newest request.",
        )
    if not intent.has_read:
        raise NotYours("You have not said that you read the record.", fix="Read it, tick the box.")
    changes = changed_fields(request)
    if changes or intent.record_sha256 != request.record.sha256:
        raise RecordChanged(
            "The record changed while you were reading; review it again.",
            fix="Load the page again; the fields that differ are listed.",
            errors=changes
            or [
                {
                    "field": "record_sha256",
                    "signed": intent.record_sha256[:64],
                    "now": request.record.sha256,
                }
            ],
        )
    _refuse_damaged(request)
    blockers = open_blockers(request.version)
    if blockers:
        raise GateClosed(
            "Newer evidence closed the gate after this record was frozen.",
            fix=blockers[0].fix,
            errors=[blocker.as_dict() for blocker in blockers],
        )
    required = required_of(request.version)
    signed = list(request.signatures.order_by("position").values_list("person__uuid", flat=True))
    due = required[len(signed)] if len(signed) < len(required) else None
    if due is None or due.meaning != intent.meaning:
        raise OutOfOrder(
            _given_already(request, intent.meaning)
            + f"The next signature is {_named(due.meaning) if due else 'none'}, not "
            f"{_named(intent.meaning)}.",
            fix="Load the page again.",
        )
    runs = [str(row["run"]) for row in json.loads(request.record.content)["evaluations"]]
    authors = authors_of(request.version, runs)
    why = refusal(
        signer=account_of(user),
        signer_roles=frozenset(str(role) for role in roles_of(user)),
        required=required,
        signed_by=[str(uuid) for uuid in signed],
        meaning=intent.meaning,
        authors=authors,
    )
    if why:
        raise NotYours(
            why, fix=f"Who could: {_who_could(request, intent.meaning, authors.accounts)}."
        )


def _refuse_damaged(request: ApprovalRequest) -> None:
    for verified in verify_signatures(request):
        if not verified.is_valid:
            raise RecordChanged(
                f"A signature under this record does not verify: {verified.faults[0]}.",
                fix="Open an incident; the request can't go on.",
                errors=[
                    {"field": str(verified.signature.uuid), "signed": None, "now": fault}
                    for fault in verified.faults
                ],
            )


def _who_could(request: ApprovalRequest, meaning: str, authors: tuple[Account, ...]) -> str:
    taken = {account.username for account in authors}
    persons = set(
        User.objects.filter(username__in=taken, person__isnull=False).values_list(
            "person_id", flat=True
        )
    ) | set(request.signatures.values_list("person_id", flat=True))
    act = {
        Meaning.REVIEWED_TECHNICAL: Act.SIGN_REVIEW_TECHNICAL,
        Meaning.REVIEWED_CLINICAL: Act.SIGN_REVIEW_CLINICAL,
        Meaning.REVIEWED_PRIVACY: Act.SIGN_REVIEW_PRIVACY,
    }.get(Meaning(meaning), Act.SIGN_APPROVE)
    return ", ".join(who_could(act, except_person_ids=frozenset(persons))) or "nobody yet"


def prove(
    request: ApprovalRequest,
    actor: Actor,
    *,
    user: User,
    username: str,
    password: str,
    code: str,
) -> None:
    """Check user name, password and second factor, counting failures under the signer's lock.

    The count commits whatever follows, and two guesses at once wait for each other.

    Raises:
        SigningRefused, SigningLocked: as ``sign`` says.
    """
    failure: DomainError | None = None
    with transaction.atomic(durable=True):
        SigningLock.objects.get_or_create(user=user)
        lock = SigningLock.objects.select_for_update(no_key=True).get(user=user)
        now = clock.now()
        if lock.locked_until and lock.locked_until > now:
            left = int((lock.locked_until - now).total_seconds()) + 1
            failure = SigningLocked(
                f"Signing is locked after {MAX_FAILURES} failures.",
                fix="Wait, then try again. If it was not you, tell the security role.",
                retry_after_seconds=left,
            )
        elif not _is_proven(user, username, password, code):
            if lock.last_failed_at is None or now - lock.last_failed_at > LOCKED_FOR:
                lock.failed_count = 0
            lock.failed_count += 1
            lock.last_failed_at = now
            failure = SigningRefused(
                "User name, password and code did not prove who you are.",
                fix=f"Type all three again; after {MAX_FAILURES} failures signing is locked.",
            )
            if lock.failed_count >= MAX_FAILURES:
                lock.locked_until, lock.failed_count = now + LOCKED_FOR, 0
        else:
            lock.failed_count, lock.locked_until = 0, None
        lock.save()
        if failure:
            audit.record(
                action="signature.attempt_failed",
                actor=actor,
                object_type="approval_request",
                object_id=str(request.uuid),
                diff={
                    "locked_until": [
                        None,
                        clock.isoformat(lock.locked_until) if lock.locked_until else None,
                    ]
                },
                reason=failure.code,
                is_act=False,
            )
    if failure:
        raise failure


def _is_proven(user: User, username: str, password: str, code: str) -> bool:
    if username != user.get_username() or not user.is_active or not user.check_password(password):
        return False
    try:
        return second_factors.verify(user=user, code=code)
    except SecondFactorLocked:
        return False


def _write(request: ApprovalRequest, intent: Intent, user: User, actor: Actor) -> Signature:
    last = request.signatures.order_by("-position").first()
    now = clock.now()
    if last and now < last.signed_at:
        raise Conflict(
            "The server's clock is behind the last signature.", fix="Set the clock right first."
        )
    person = user.person
    if person is None:
        raise NotYours("The account belongs to no person.", fix="An administrator enters one.")
    required = required_of(request.version)
    position = request.signatures.count()
    roles = frozenset(str(role) for role in roles_of(user))
    key = keys.signature_key()
    signature = Signature(
        uuid=uuid4(),
        request=request,
        record_sha256=request.record.sha256,
        position=position,
        meaning=intent.meaning,
        statement=STATEMENTS[intent.meaning].text,
        statement_version=VERSION,
        signer=user,
        person=person,
        printed_name=person.printed_name,
        role=role_used(signer_roles=roles, requirement=required[position]),
        auth_methods=list(AUTH_METHODS),
        signed_at=now,
        comment=intent.comment,
        previous_payload_sha256=last.payload_sha256 if last else "",
        key_id=keys.key_id(key.public_key()),
    )
    payload = payload_bytes(payload_columns(signature))
    signature.payload = payload.decode()
    signature.payload_sha256 = sha256_hex(payload)
    signature.server_signature = server_signature(payload, key)
    signature.save(force_insert=True)
    publish(
        RecordSigned(
            actor=actor,
            object_type="signature",
            object_id=str(signature.uuid),
            object_rev=str(request.revision),
            diff={
                "payload_sha256": [signature.previous_payload_sha256, signature.payload_sha256],
                "record_sha256": [None, signature.record_sha256],
                "meaning": [None, intent.meaning],
                "auth_methods": [None, list(AUTH_METHODS)],
                "request": [None, str(request.uuid)],
            },
            request_id=request.pk,
        )
    )
    return signature


def _approve(request: ApprovalRequest, actor: Actor) -> None:
    version = request.version
    former = ApprovalRequest.objects.filter(version=version, state=ApprovalState.APPROVED)
    for row in former:
        voiding.void(row, actor=actor, reason=f"Revision {request.revision} was approved.")
    move(
        request,
        table=APPROVAL_MOVES,
        to=ApprovalState.APPROVED,
        closed_at=clock.now(),
        closed_reason="All signatures are there.",
    )
    permissions.issue(
        version=version, purpose=Purpose.SERVE, actor=actor, request=request, reason="approved"
    )
    publish(
        VersionApproved(
            actor=actor,
            object_type="version",
            object_id=str(version.uuid),
            object_rev=version.digest,
            diff={
                "request": [None, str(request.uuid)],
                "record_sha256": [None, request.record.sha256],
            },
            version_id=version.pk,
        )
    )
