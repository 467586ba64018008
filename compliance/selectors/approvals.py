"""Reads of approval requests, authors and what is due next."""

from uuid import UUID

from django.db.models import QuerySet

from compliance.domain.separation import Account, Authors, Requirement, requirements
from compliance.models import ApprovalRequest, EvaluationRun, Signature
from compliance.selectors.refs import parse_uuid
from compliance.states import ApprovalState
from config.accounts.models import User
from config.core.errors import NotFound
from registry.models import Label, Version
from registry.selectors import current_label


def open_request(version: Version) -> ApprovalRequest | None:
    """The request that waits for signatures, or None."""
    return _requests().filter(version=version, state=ApprovalState.OPEN).first()


def latest_request(version: Version) -> ApprovalRequest | None:
    """The newest revision of the request, in whatever state."""
    return _requests().filter(version=version).order_by("-revision").first()


def request_by_uuid(uuid: UUID | str) -> ApprovalRequest:
    """The request with this uuid.

    Raises:
        NotFound: there is none.
    """
    found = _requests().filter(uuid=parse_uuid(uuid)).first()
    if found is None:
        raise NotFound(f"There is no approval request {uuid}.", fix="List them.")
    return found


def _requests() -> QuerySet[ApprovalRequest]:
    return ApprovalRequest.objects.select_related(
        "version__adapter__base_model", "record", "requested_by__person"
    )


def signatures_of(version: Version) -> list[Signature]:
    """Every signature under any revision of this version's records, in order."""
    rows = Signature.objects.filter(request__version=version)
    return list(rows.select_related("request__record", "person").order_by("request_id", "position"))


def required_of(version: Version) -> tuple[Requirement, ...]:
    """The signatures that this version's class and label ask for, in order."""
    label = current_label(version)
    return requirements(
        safety_class=version.adapter.safety_class,
        touches_phi=label.touches_phi if label else True,
    )


def next_requirement(request: ApprovalRequest) -> Requirement | None:
    """The signature that is due, or None when all are there or the request is closed."""
    if request.state != ApprovalState.OPEN:
        return None
    required, signed = required_of(request.version), request.signatures.count()
    return required[signed] if signed < len(required) else None


def account_of(user: User) -> Account:
    """The account as the rule of separated duties sees it."""
    return Account(
        username=user.get_username(),
        person=str(user.person.uuid) if user.person else "",
        name=str(user),
    )


def authors_of(version: Version, runs: list[str]) -> Authors:
    """Everybody who made the version or changed what is signed (docs/adr/0010-author-set.md).

    ``runs``: the uuids of the deciding evaluation runs.
    """
    deeds: list[tuple[User, str]] = [
        (version.adapter.owner, "owns the adapter"),
        (version.submitted_by, "uploaded this version"),
    ]
    labels = Label.objects.filter(version=version).select_related("created_by__person")
    deeds += [(label.created_by, "wrote the label") for label in labels.order_by("revision")]
    listed = EvaluationRun.objects.filter(uuid__in=runs).select_related("requested_by__person")
    deeds += [(run.requested_by, "asked for the deciding evaluation") for run in listed]
    said: dict[str, str] = {}
    accounts: dict[str, Account] = {}
    for user, deed in deeds:
        accounts.setdefault(user.get_username(), account_of(user))
        said.setdefault(user.get_username(), deed)
    return Authors(accounts=tuple(accounts.values()), deeds=said)
