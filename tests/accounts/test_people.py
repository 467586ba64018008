"""Persons, accounts, roles and the first administrator."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from config.accounts import selectors
from config.accounts.errors import AccountExists, AccountInvalid
from config.accounts.events import RoleGranted
from config.accounts.models import Person, RoleGrant, User
from config.accounts.roles import Act, Role
from config.accounts.services import people, roles
from config.core.actors import SYSTEM
from config.core.events import _handlers, subscribe
from tests.factories import accounts

pytestmark = pytest.mark.django_db


def test_several_accounts_of_one_person_count_as_one_person() -> None:
    person = accounts.person("Ana Example")
    first = accounts.user(Role.COMPLIANCE_OFFICER, of=person)
    second = accounts.user(Role.COMPLIANCE_OFFICER, of=person)
    other = accounts.user(Role.CLINICAL_REVIEWER)
    assert selectors.is_same_person(first, second)
    assert not selectors.is_same_person(first, other)
    assert selectors.who_could(Act.SIGN_APPROVE).count("Ana Example") == 1
    assert other.person is not None
    assert selectors.who_could(Act.SIGN_APPROVE, except_person_ids=frozenset({person.pk})) == [
        other.person.printed_name
    ]
    assert selectors.persons_with_several_accounts() == [
        ("Ana Example", sorted([first.username, second.username]))
    ]


def test_accounts_of_programs_are_nobody() -> None:
    one = people.create_program_account(username="app-1", actor=SYSTEM)
    two = people.create_program_account(username="app-2", actor=SYSTEM)
    assert not selectors.is_same_person(one, two)
    assert selectors.is_same_person(one, one)
    assert not one.has_usable_password()
    assert not one.is_staff


def test_names_are_taken_once_and_passwords_are_judged() -> None:
    user = accounts.user(username="ana")
    with pytest.raises(AccountExists, match="ana"):
        accounts.user(username="ana")
    assert user.person is not None
    with pytest.raises(AccountExists, match="employee id"):
        people.create_person(printed_name="B", employee_id=user.person.employee_id, actor=SYSTEM)
    for password, word in (("short", "too short"), ("password1234", "too common")):
        with pytest.raises(AccountInvalid, match=word):
            people.create_user(username="ben", password=password, actor=SYSTEM)
    for printed_name, employee_id in ((" ", "e"), ("A", ""), ("A" * 300, "e")):
        with pytest.raises(AccountInvalid):
            people.create_person(printed_name=printed_name, employee_id=employee_id, actor=SYSTEM)


def test_a_role_is_granted_once_and_ends() -> None:
    user = accounts.user()
    seen: list[Any] = []
    subscribe(RoleGranted, seen.append)
    try:
        for _ in range(2):
            roles.grant(user=user, role=Role.OPERATOR, granted_by=None, actor=SYSTEM)
    finally:
        _handlers[RoleGranted].remove(seen.append)
    assert len(seen) == 1
    assert selectors.can(user, Act.STOP)
    assert roles.end(user=user, role=Role.OPERATOR, actor=SYSTEM)
    assert not roles.end(user=user, role=Role.OPERATOR, actor=SYSTEM)
    assert not selectors.can(user, Act.STOP)
    roles.grant(user=user, role=Role.OPERATOR, granted_by=None, actor=SYSTEM)
    assert RoleGrant.objects.filter(user=user).count() == 2


def _ensure_admin(settings: Any, user: str, password: str) -> str:
    settings.FORMULARY_ADMIN_USER, settings.FORMULARY_ADMIN_PASSWORD = user, password
    out = StringIO()
    call_command("ensure_admin", stdout=out)
    return out.getvalue()


def test_the_first_administrator_is_opened_once(settings: Any) -> None:
    assert "opened" in _ensure_admin(settings, "admin", accounts.PASSWORD)
    assert "there already" in _ensure_admin(settings, "admin", "another good password")
    user = User.objects.get(username="admin")
    assert user.check_password(accounts.PASSWORD)
    assert selectors.roles_of(user) == {Role.ADMINISTRATOR}
    assert not user.is_superuser
    assert Person.objects.count() == 1
    assert "not set" in _ensure_admin(settings, "", "")


def test_a_refused_password_is_named_and_opens_nothing(settings: Any) -> None:
    with pytest.raises(CommandError, match=r"FORMULARY_ADMIN_PASSWORD.*too short"):
        _ensure_admin(settings, "admin", "short")
    assert not User.objects.exists()
    assert not Person.objects.exists()


def test_create_user_reads_the_password_from_standard_input(monkeypatch: Any) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(accounts.PASSWORD + "\n"))
    out = StringIO()
    call_command("create_user", "ana", "--printed-name", "Ana", "--role", "ml_engineer", stdout=out)
    user = User.objects.get(username="ana")
    assert user.check_password(accounts.PASSWORD)
    assert selectors.roles_of(user) == {Role.ML_ENGINEER}
    assert out.getvalue() == "ana: ml_engineer\n"


def test_a_role_is_granted_and_ended_from_the_command_line() -> None:
    user = accounts.user(username="ana")
    call_command("grant_role", "ana", "operator", stdout=StringIO())
    assert selectors.roles_of(user) == {Role.OPERATOR}
    call_command("grant_role", "ana", "operator", "--end", stdout=StringIO())
    assert selectors.roles_of(user) == frozenset()
    with pytest.raises(CommandError, match="no account 'ben'"):
        call_command("grant_role", "ben", "operator")
