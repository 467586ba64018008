"""Who may do what: the table of roles and acts."""

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """What a person is entrusted with; one person may hold several.

    The last two are for accounts of programs, which belong to no person.
    """

    ML_ENGINEER = "ml_engineer"
    REVIEWER = "reviewer"
    CLINICAL_REVIEWER = "clinical_reviewer"
    PRIVACY_OFFICER = "privacy_officer"
    COMPLIANCE_OFFICER = "compliance_officer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"
    APPLICATION = "application"
    NODE_AGENT = "node_agent"


class Act(StrEnum):
    """Something that needs a role. The value is also the scope of an API token."""

    READ = "registry:read"
    SUBMIT = "versions:write"
    EVALUATE = "evaluations:write"
    REQUEST_APPROVAL = "approvals:request"
    SIGN_REVIEW_TECHNICAL = "sign:reviewed_technical"
    SIGN_REVIEW_CLINICAL = "sign:reviewed_clinical"
    SIGN_REVIEW_PRIVACY = "sign:reviewed_privacy"
    SIGN_APPROVE = "sign:approved"
    DEPLOY = "deployments:write"
    DELIVER = "deliveries:write"
    STOP = "stops:write"
    RESUME = "restores:write"
    HOLD = "holds:write"
    NODES = "nodes:write"
    AUDIT = "audit:read"
    INFER = "inference"
    FEEDBACK = "feedback:write"
    ACCOUNTS = "accounts:write"
    TOKENS = "tokens:write"
    FETCH_BLOBS = "blobs:read"
    REPORT_REPLICAS = "replicas:write"


# Signing acts can't be done with an API token at all (21 CFR 11.200).
SIGNING_ACTS = frozenset(
    {
        Act.SIGN_REVIEW_TECHNICAL,
        Act.SIGN_REVIEW_CLINICAL,
        Act.SIGN_REVIEW_PRIVACY,
        Act.SIGN_APPROVE,
    }
)

_EVERYBODY = frozenset({Act.READ, Act.INFER, Act.FEEDBACK, Act.TOKENS})

ACTS_OF: Mapping[Role, frozenset[Act]] = {
    Role.ML_ENGINEER: _EVERYBODY
    | {Act.SUBMIT, Act.EVALUATE, Act.REQUEST_APPROVAL, Act.DEPLOY, Act.DELIVER, Act.STOP},
    Role.REVIEWER: _EVERYBODY | {Act.SIGN_REVIEW_TECHNICAL, Act.EVALUATE, Act.STOP},
    Role.CLINICAL_REVIEWER: _EVERYBODY | {Act.SIGN_REVIEW_CLINICAL, Act.SIGN_APPROVE, Act.STOP},
    Role.PRIVACY_OFFICER: _EVERYBODY | {Act.SIGN_REVIEW_PRIVACY, Act.STOP, Act.AUDIT, Act.HOLD},
    Role.COMPLIANCE_OFFICER: _EVERYBODY
    | {Act.SIGN_APPROVE, Act.AUDIT, Act.STOP, Act.RESUME, Act.HOLD},
    Role.OPERATOR: _EVERYBODY
    | {Act.DEPLOY, Act.DELIVER, Act.STOP, Act.NODES, Act.AUDIT, Act.RESUME},
    Role.ADMINISTRATOR: _EVERYBODY | {Act.ACCOUNTS, Act.NODES, Act.AUDIT},
    Role.APPLICATION: frozenset({Act.INFER, Act.FEEDBACK}),
    Role.NODE_AGENT: frozenset({Act.FETCH_BLOBS, Act.REPORT_REPLICAS}),
}


def acts_of(roles: frozenset[Role]) -> frozenset[Act]:
    """Every act that one of ``roles`` allows."""
    return frozenset().union(*(ACTS_OF[role] for role in roles)) if roles else frozenset()


def roles_for(act: Act) -> tuple[Role, ...]:
    """The roles that allow ``act``, for messages that name who could."""
    return tuple(role for role, acts in ACTS_OF.items() if act in acts)
