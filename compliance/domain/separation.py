"""Who must sign, in which order, and who can't: required meanings by class, distinct persons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

TECHNICAL = "reviewed_technical"
CLINICAL = "reviewed_clinical"
PRIVACY = "reviewed_privacy"
APPROVED = "approved"


@dataclass(frozen=True)
class Requirement:
    """One signature that is asked for: what it says, and the roles of which one is needed."""

    meaning: str
    roles: tuple[str, ...]


REVIEW_TECHNICAL = Requirement(TECHNICAL, ("reviewer",))
REVIEW_CLINICAL = Requirement(CLINICAL, ("clinical_reviewer",))
REVIEW_PRIVACY = Requirement(PRIVACY, ("privacy_officer",))
APPROVAL = Requirement(APPROVED, ("compliance_officer", "clinical_reviewer"))
APPROVAL_CLINICAL = Requirement(APPROVED, ("clinical_reviewer",))
APPROVAL_QUALITY = Requirement(APPROVED, ("compliance_officer",))


def requirements(*, safety_class: str, touches_phi: bool) -> tuple[Requirement, ...]:
    """The signatures that a class asks for, in the order of signing (reviews, then approvals).

    An unknown class is asked for everything.
    """
    if safety_class == "A":
        privacy = (REVIEW_PRIVACY,) if touches_phi else ()
        return (REVIEW_TECHNICAL, *privacy, APPROVAL)
    reviews = (REVIEW_TECHNICAL, REVIEW_CLINICAL, REVIEW_PRIVACY)
    if safety_class == "B":
        return (*reviews, APPROVAL)
    return (*reviews, APPROVAL_CLINICAL, APPROVAL_QUALITY)


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account and its person; ``person`` is empty where nobody entered one."""

    username: str
    person: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Authors:
    """Everybody who made or changed what is signed, each with what he did (``deeds``)."""

    accounts: tuple[Account, ...]
    deeds: Mapping[str, str] = field(default_factory=dict)


def refusal(
    *,
    signer: Account,
    signer_roles: frozenset[str],
    required: Sequence[Requirement],
    signed_by: Sequence[str],
    meaning: str,
    authors: Authors,
) -> str:
    """Why this person may not give the next signature, or empty text.

    ``signed_by``: the persons of the signatures that are there, in order. People are compared by
    person and not by account; an author whose person is unknown could be anybody.
    """
    if len(signed_by) >= len(required):
        return "All signatures are there."
    due = required[len(signed_by)]
    if due.meaning != meaning:
        return f"The next signature is {due.meaning}, not {meaning}."
    if not signer.person:
        return f"The account {signer.username} belongs to no person, so it can't sign."
    unknown = [account.username for account in authors.accounts if not account.person]
    if unknown:
        return (
            f"The author's account {', '.join(sorted(set(unknown)))} belongs to no person, so "
            "nobody can be told apart from the author."
        )
    for account in authors.accounts:
        if account.person == signer.person:
            deed = authors.deeds.get(account.username, "worked on this version")
            return f"{signer.name} {deed} and can't sign it."
    if signer.person in signed_by:
        return f"{signer.name} has signed this record already; each signature needs another person."
    if not signer_roles & set(due.roles):
        return f"{meaning} needs the role {' or '.join(due.roles)}."
    return ""


def role_used(*, signer_roles: frozenset[str], requirement: Requirement) -> str:
    """The role in which a person gives this signature: the first asked for that he holds."""
    return next((role for role in requirement.roles if role in signer_roles), "")
