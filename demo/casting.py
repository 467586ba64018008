"""Opens the accounts of the demo's cast and of one application."""

from dataclasses import dataclass

from config.accounts.models import User
from config.accounts.roles import Role
from config.accounts.services import people, roles, second_factors, tokens
from config.core.actors import SYSTEM

from . import cast
from .people import Person


@dataclass(frozen=True)
class Company:
    """Four invented people and the token of the application that asks."""

    engineer: Person
    reviewer: Person
    clinician: Person
    operator: Person
    application_token: str

    def everybody(self) -> tuple[Person, ...]:
        """The four, in the order in which they act."""
        return self.engineer, self.reviewer, self.clinician, self.operator


def open_accounts(url: str) -> Company:
    """Accounts, roles, second factors and tokens for everybody; ``url`` is the product's."""
    made = {member.part: _person(member, url) for member in cast.MEMBERS}
    _, application_token = tokens.issue(
        user=User.objects.get(username=made["operator"].username),
        name="triage application",
        scopes=["inference", "feedback:write"],
        actor=SYSTEM,
    )
    return Company(**made, application_token=application_token)


def _person(member: cast.Member, url: str) -> Person:
    human = people.create_person(
        printed_name=member.printed_name,
        employee_id=f"demo-{member.username}",
        is_demo=True,
        actor=SYSTEM,
    )
    user: User = people.create_user(
        username=member.username, password=member.password, person=human, actor=SYSTEM
    )
    for role in member.roles:
        roles.grant(user=user, role=Role(role), granted_by=None, actor=SYSTEM)
    secret = second_factors.enrol_totp(user=user, actor=SYSTEM)
    _, token = tokens.issue(user=user, name="demo", scopes=list(member.scopes), actor=SYSTEM)
    return Person(
        printed_name=member.printed_name,
        username=member.username,
        password=member.password,
        totp_secret=secret,
        token=token,
        url=url,
    )
