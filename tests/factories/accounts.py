"""People and accounts for tests, made by the services."""

import itertools

from rest_framework.test import APIClient

from config.accounts.models import Person, User
from config.accounts.roles import Role
from config.accounts.services import people, roles, second_factors, tokens
from config.core.actors import SYSTEM

PASSWORD = "correct horse battery staple"
_numbers = itertools.count(1)


def person(printed_name: str = "") -> Person:
    number = next(_numbers)
    return people.create_person(
        printed_name=printed_name or f"Person {number}", employee_id=f"e{number}", actor=SYSTEM
    )


def user(*held: Role, username: str = "", of: Person | None = None) -> User:
    """An account of a person of its own (or of ``of``) with these roles and ``PASSWORD``."""
    made = people.create_user(
        username=username or f"user{next(_numbers)}",
        password=PASSWORD,
        person=of or person(),
        actor=SYSTEM,
    )
    for role in held:
        roles.grant(user=made, role=role, granted_by=None, actor=SYSTEM)
    return made


def engineer(**values: object) -> User:
    return user(Role.ML_ENGINEER, **values)  # type: ignore[arg-type]


def totp_secret(of: User) -> str:
    return second_factors.enrol_totp(user=of, actor=SYSTEM)


def token_text(of: User, *scopes: str) -> str:
    """A token with these scopes, or with all that the roles allow a program."""
    _, text = tokens.issue(
        user=of, name="test", scopes=scopes or tokens.default_scopes(of), actor=SYSTEM
    )
    return text


def client_of(of: User, *scopes: str) -> APIClient:
    """A client of the API with a token of this account, with these scopes or all that it may."""
    made = APIClient()
    made.credentials(HTTP_AUTHORIZATION=f"Bearer {token_text(of, *scopes)}")
    return made
