"""Every page asks for a role that may read: an account alone shows nothing."""

import re
from uuid import UUID

import pytest

from compliance.models import AuditEvent
from config.accounts.roles import Role
from config.accounts.services import roles
from config.console.urls import pages
from config.core.actors import SYSTEM
from tests.factories import accounts

pytestmark = pytest.mark.django_db(transaction=True)
KINDS = {"uuid": str(UUID(int=7)), "str": "triage", "slug": "triage"}


def _path(pattern) -> str:
    route = re.sub(r"<(\w+):\w+>", lambda kind: KINDS[kind[1]], str(pattern.pattern))
    return f"/console/{route}"


PATHS = [_path(pattern) for pattern in pages(lambda view: view)]


@pytest.mark.parametrize("path", PATHS)
def test_no_page_opens_for_an_account_without_a_role(path, as_user):
    nobody = accounts.user(Role.REVIEWER)
    client = as_user(nobody)
    assert roles.end(user=nobody, role=Role.REVIEWER, actor=SYSTEM)
    answer = client.post(path) if path.startswith("/console/playground/") else client.get(path)
    assert answer.status_code == 403
    assert "triage" not in answer.content.decode().replace(path, "")


def test_the_refusal_says_who_gives_roles_and_is_on_record(as_user):
    admin = accounts.user(Role.ADMINISTRATOR)
    application = accounts.user(Role.APPLICATION)
    application.is_staff = True
    application.save(update_fields=["is_staff"])
    answer = as_user(application).get("/console/system/")
    assert answer.status_code == 403
    assert admin.person.printed_name in answer.content.decode()
    events = AuditEvent.objects.filter(
        action="access.refused", actor_name=application.get_username()
    )
    assert events.count() == 1
