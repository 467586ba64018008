"""Requests for approval: freeze the record, have it signed, reject it, require it."""

from django.db import transaction
from django.db.models import Max

from compliance.domain.record import current_schema, project, record_sha256
from compliance.errors import GateClosed, NotPermitted, RequestClosed
from compliance.events import ApprovalRejected, ApprovalRequested
from compliance.models import ApprovalRequest, CheckRun, Permission, Record
from compliance.selectors.approvals import required_of
from compliance.selectors.checks import (
    Blocker,
    is_evidence_current,
    live_gate_faults,
    open_blockers,
)
from compliance.selectors.permissions import open_serve_permission
from compliance.selectors.records import facts_to_freeze
from compliance.selectors.stops import is_stopped
from compliance.services import audit, check_runs, signing, voiding
from compliance.states import ApprovalState
from config.accounts.models import User
from config.accounts.roles import SIGNING_ACTS, Act, roles_for
from config.accounts.selectors import can
from config.core.actors import Actor
from config.core.errors import DomainError, Forbidden, Invalid
from config.core.events import publish
from registry.models import Version

__all__ = ["reject", "request", "require", "sign", "void_changed"]

sign = signing.sign
void_changed = voiding.void_changed


def request(*, version: Version, user: User, actor: Actor) -> ApprovalRequest:
    """Freeze the version's record and ask people to sign it.

    A request whose record is the same is returned. With more evidence the next revision is asked
    for: an open one becomes void, an approved one holds until the new one is approved.

    Raises:
        Forbidden: no role of the account may ask.
        GateClosed: ``errors`` lists every open blocker with its fix.
    """
    try:
        _may(user, Act.REQUEST_APPROVAL)
        _gate(version)
    except DomainError as error:
        _refused("approval.request_refused", actor, version, error)
        raise
    with transaction.atomic():
        Version.objects.select_for_update(no_key=True).get(pk=version.pk)
        content = project(facts_to_freeze(version), schema=current_schema())
        sha256 = record_sha256(content)
        formers = ApprovalRequest.objects.filter(
            version=version, state__in=[ApprovalState.OPEN, ApprovalState.APPROVED]
        ).select_related("record")
        former = formers.order_by("-revision").first()
        if former and former.record.sha256 == sha256:
            return former
        if former and former.state == ApprovalState.OPEN:
            voiding.void(former, actor=actor, reason="A newer revision was requested.")
        record, _ = Record.objects.get_or_create(
            sha256=sha256,
            defaults={"record_schema": current_schema(), "content": content.decode()},
        )
        revisions = ApprovalRequest.objects.filter(version=version)
        last = revisions.aggregate(last=Max("revision"))["last"] or 0
        row = ApprovalRequest.objects.create(
            version=version,
            revision=last + 1,
            record=record,
            required_meanings=[due.meaning for due in required_of(version)],
            requested_by=user,
        )
        publish(
            ApprovalRequested(
                actor=actor,
                object_type="approval_request",
                object_id=str(row.uuid),
                object_rev=str(row.revision),
                diff={
                    "version": [None, version.runtime_name],
                    "record_sha256": [former.record.sha256 if former else None, sha256],
                    "required_meanings": [None, row.required_meanings],
                },
                request_id=row.pk,
            )
        )
    return row


def reject(
    *,
    request: ApprovalRequest,
    reason: str,
    user: User,
    actor: Actor,
    username: str,
    password: str,
    code: str,
) -> ApprovalRequest:
    """Close a request without approval; any holder of a signing role may.

    *Rejected* is one of the meanings that are signed: the person proves who it is as for a
    signature, and the event says by what means and under which record.

    Raises:
        Forbidden: no role of the account may sign.
        Invalid: there is no reason, or a very long one.
        NotYours: it comes from an API token.
        RequestClosed: it takes no decision any more.
        SigningRefused: user name, password and code did not prove the person.
        SigningLocked: too many failures.
    """
    try:
        _may(user, *sorted(SIGNING_ACTS))
        signing.refuse_token(actor, user)
        if not reason.strip():
            raise Invalid("A rejection needs a reason.", fix="Say what has to change.")
        signing.refuse_long(reason, most=signing.REASON_CHARS, what="The reason")
        _refuse_closed(request)
        signing.prove(request, actor, user=user, username=username, password=password, code=code)
        with transaction.atomic():
            row = ApprovalRequest.objects.select_for_update(no_key=True).get(pk=request.pk)
            _refuse_closed(row)
            voiding.close(row, to=ApprovalState.REJECTED, reason=reason)
            publish(
                ApprovalRejected(
                    actor=actor,
                    object_type="approval_request",
                    object_id=str(row.uuid),
                    object_rev=str(row.revision),
                    diff={
                        "state": [str(ApprovalState.OPEN), str(row.state)],
                        "record_sha256": [None, row.record.sha256],
                        "auth_methods": [None, list(signing.AUTH_METHODS)],
                    },
                    reason=reason,
                    request_id=row.pk,
                )
            )
    except DomainError as error:
        _refused("approval.reject_refused", actor, request.version, error)
        raise
    return row


def _refuse_closed(row: ApprovalRequest) -> None:
    if row.state != ApprovalState.OPEN:
        raise RequestClosed(f"The request is {row.state}.", fix="Look at the newest one.")


def require(*, version: Version) -> Permission:
    """The permission under which this version may be released now.

    Raises:
        NotPermitted: it is not approved, is stopped, or a live gate fails.
    """
    permission = open_serve_permission(version)
    name = version.runtime_name
    if permission is None:
        raise NotPermitted(
            f"{name} has no permission: it is not approved, or its approval was voided.",
            fix="Request approval and have the record signed.",
        )
    if is_stopped(version.digest):
        raise NotPermitted(f"{name} is stopped everywhere.", fix="Two persons release a stop.")
    found = live_gate_faults(version)
    if found:
        raise NotPermitted(
            f"{name} failed its nightly check: {found[0].message}",
            fix=found[0].fix,
            errors=[fault.as_dict() for fault in found],
        )
    return permission


def _gate(version: Version) -> None:
    blockers = open_blockers(version)
    if not is_evidence_current(version):
        check_runs.open(version=version, kind=CheckRun.Kind.EVIDENCE)
        blockers.append(
            Blocker(
                "evidence",
                "error",
                "What the evidence checks saw has changed; they run again now.",
                "Wait a moment and ask again.",
            )
        )
    if is_stopped(version.digest):
        blockers.append(
            Blocker("stop", "fail", "The digest is stopped.", "Two persons release a stop.")
        )
    if blockers:
        names = ", ".join(dict.fromkeys(blocker.check_id for blocker in blockers))
        raise GateClosed(
            f"{version.runtime_name} can't be put before people yet: {names}.",
            fix=blockers[0].fix,
            errors=[blocker.as_dict() for blocker in blockers],
        )


def _may(user: User, *acts: Act) -> None:
    if not any(can(user, act) for act in acts):
        roles = sorted({str(role) for act in acts for role in roles_for(act)})
        raise Forbidden(
            f"This needs the role {' or '.join(roles)}.", fix="Ask somebody who has it."
        )


def _refused(action: str, actor: Actor, version: Version, error: DomainError) -> None:
    audit.record_refusal(
        action=action,
        actor=actor,
        object_type="version",
        object_id=str(version.uuid),
        reason=error.message,
    )
