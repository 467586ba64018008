"""Enters persons and opens accounts."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from config.accounts.errors import AccountExists, AccountInvalid
from config.accounts.events import PersonCreated, UserCreated
from config.accounts.models import Person, User
from config.core.actors import Actor
from config.core.events import publish


def create_person(
    *, printed_name: str, employee_id: str, is_demo: bool = False, actor: Actor
) -> Person:
    """Enter a human being under the identity provider's id.

    Raises:
        AccountExists: a person has this employee id.
        AccountInvalid: the name or the id is empty or too long.
    """
    person = Person(printed_name=printed_name.strip(), employee_id=employee_id, is_demo=is_demo)
    _clean(person, exclude=[])
    try:
        with transaction.atomic():
            person.save(force_insert=True)
            publish(
                PersonCreated(
                    actor=actor,
                    object_type="person",
                    object_id=str(person.uuid),
                    diff={
                        "printed_name": [None, person.printed_name],
                        "employee_id": [None, employee_id],
                        "is_demo": [None, is_demo],
                    },
                )
            )
    except IntegrityError as error:
        raise AccountExists(
            f"A person has the employee id {employee_id!r} already.",
            fix="Give this person another account instead: one person may have several.",
        ) from error
    return person


def create_user(
    *, username: str, password: str, person: Person | None = None, email: str = "", actor: Actor
) -> User:
    """Open an account with which a person signs in to the console.

    Raises:
        AccountExists: the user name is taken.
        AccountInvalid: the name or the password is refused; the message says why.
    """
    user = User(username=username, person=person, email=email, is_staff=True)
    _check_password(password, user)
    user.set_password(password)
    return _open(user, actor)


def create_program_account(*, username: str, actor: Actor) -> User:
    """Open an account of a program: it has tokens and no password, and belongs to no person.

    Raises:
        AccountExists: the user name is taken.
        AccountInvalid: the name is refused.
    """
    user = User(username=username, is_staff=False)
    user.set_unusable_password()
    return _open(user, actor)


def _open(user: User, actor: Actor) -> User:
    _clean(user, exclude=["password", "person"])
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            publish(
                UserCreated(
                    actor=actor,
                    object_type="user",
                    object_id=str(user.pk),
                    diff={
                        "username": [None, user.username],
                        "person": [None, str(user.person.uuid) if user.person else None],
                    },
                )
            )
    except IntegrityError as error:
        raise _taken(user.username) from error
    return user


def _taken(username: str) -> AccountExists:
    return AccountExists(f"The user name {username!r} is taken.", fix="Choose another user name.")


def _check_password(password: str, user: User) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise AccountInvalid(
            f"The password for {user.username!r} is refused: {' '.join(error.messages)}",
            fix="Choose a longer one that nobody would guess, at least 12 characters.",
        ) from error


def _clean(row: Person | User, *, exclude: list[str]) -> None:
    try:
        row.clean_fields(exclude=exclude)
    except ValidationError as error:
        named = "; ".join(f"{key}: {' '.join(text)}" for key, text in error.message_dict.items())
        raise AccountInvalid(f"It is not acceptable: {named}", fix="Mend what is named.") from error
