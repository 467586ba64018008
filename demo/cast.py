"""The demo's cast. These people are invented; any likeness is chance."""

import secrets
from dataclasses import dataclass, field


def _password() -> str:
    return f"demo-{secrets.token_urlsafe(9)}"


@dataclass(frozen=True)
class Member:
    """One invented person, the part that he plays and what he may do."""

    part: str
    username: str
    printed_name: str
    roles: tuple[str, ...]
    scopes: tuple[str, ...]
    password: str = field(default_factory=_password)


MEMBERS = (
    Member(
        part="engineer",
        username="engineer",
        printed_name="Ada Example (demo)",
        roles=("ml_engineer",),
        scopes=("registry:read", "versions:write", "evaluations:write", "approvals:request"),
    ),
    Member(
        part="reviewer",
        username="reviewer",
        printed_name="Ben Example (demo)",
        roles=("reviewer",),
        scopes=("registry:read",),
    ),
    Member(
        part="clinician",
        username="clinician",
        printed_name="Dr. Cleo Example (demo)",
        roles=("clinical_reviewer",),
        scopes=("registry:read",),
    ),
    Member(
        part="operator",
        username="operator",
        printed_name="Dan Example (demo)",
        roles=("operator",),
        scopes=("registry:read", "deployments:write", "stops:write", "inference", "feedback:write"),
    ),
)
