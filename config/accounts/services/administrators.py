"""The first administrator."""

from django.db import transaction

from config.accounts.models import Person, User
from config.accounts.roles import Role
from config.core.actors import Actor

from . import people, roles


def ensure_administrator(*, username: str, password: str, actor: Actor) -> tuple[User, bool]:
    """The account ``username`` as an administrator, opened if it is not there.

    An account that is there keeps its password. Returns it and whether it was opened.

    Raises:
        AccountInvalid: the password is refused; the message says why.
    """
    with transaction.atomic():
        user = User.objects.select_related("person").filter(username=username).first()
        created = user is None
        if user is None:
            employee_id = f"administrator:{username}"
            person = Person.objects.filter(employee_id=employee_id).first() or people.create_person(
                printed_name=username, employee_id=employee_id, actor=actor
            )
            user = people.create_user(
                username=username, password=password, person=person, actor=actor
            )
        roles.grant(user=user, role=Role.ADMINISTRATOR, granted_by=None, actor=actor)
    return user, created
