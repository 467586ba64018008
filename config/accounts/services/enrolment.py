"""Person, account and roles in one step."""

from collections.abc import Sequence

from django.db import transaction

from config.accounts.models import Person, User
from config.accounts.roles import Role
from config.core.actors import Actor

from . import people
from .roles import grant


def enrol(
    *,
    username: str,
    password: str,
    printed_name: str,
    employee_id: str,
    roles: Sequence[Role] = (),
    granted_by: User | None = None,
    actor: Actor,
) -> User:
    """Open an account for the person with ``employee_id``, who is entered if not there yet.

    Raises:
        AccountExists: the user name is taken.
        AccountInvalid: a name or the password is refused.
    """
    with transaction.atomic():
        person = Person.objects.filter(employee_id=employee_id).first()
        if person is None:
            person = people.create_person(
                printed_name=printed_name, employee_id=employee_id, actor=actor
            )
        user = people.create_user(username=username, password=password, person=person, actor=actor)
        for role in roles:
            grant(user=user, role=role, granted_by=granted_by, actor=actor)
    return user
