"""Audit events are written with the change; refusals survive its rollback; rows stay."""

import json

import pytest
from django.db import DatabaseError, connection, transaction

from compliance.models import AuditEvent
from compliance.services import audit, sealing
from config.accounts.events import RoleGranted
from config.accounts.models import Person
from config.core.actors import SYSTEM, Actor
from config.core.events import publish
from registry.domain.packages import PackageInvalid
from tests.factories import registry as make


def write(action: str = "test.done", **values: object) -> AuditEvent:
    return audit.record(
        action=action,
        actor=SYSTEM,
        object_type="thing",
        object_id="1",
        **values,  # type: ignore[arg-type]
    )


@pytest.mark.django_db
def test_an_event_holds_who_what_and_why() -> None:
    actor = Actor(kind="user", name="ada", user_id=3, person_id=4, ip="10.0.0.1", request_id="r")
    row = audit.record(
        action="thing.changed",
        actor=actor,
        object_type="thing",
        object_id="7",
        object_rev="2",
        diff={"state": ["old", "new"]},
        reason="because",
    )
    body = json.loads(row.body)
    assert body["actor"] == {
        "kind": "user",
        "name": "ada",
        "id": "3",
        "person": "4",
        "ip": "10.0.0.1",
        "session": "",
    }
    assert body["object"] == {"type": "thing", "id": "7", "rev": "2"}
    assert body["diff"] == {"state": ["old", "new"]}
    assert (body["reason"], body["request_id"]) == ("because", "r")


@pytest.mark.django_db(transaction=True)
def test_an_event_shares_the_fate_of_its_change() -> None:
    with pytest.raises(ValueError, match="undone"), transaction.atomic():
        Person.objects.create(printed_name="x", employee_id="x")
        write()
        raise ValueError("undone")
    assert not AuditEvent.objects.exists()
    assert not Person.objects.filter(employee_id="x").exists()


@pytest.mark.django_db(transaction=True)
def test_a_refusal_survives_the_rollback_of_its_caller() -> None:
    with pytest.raises(ValueError, match="undone"), transaction.atomic():
        write("test.undone")
        audit.record_refusal(
            action="test.refused", actor=SYSTEM, object_type="t", object_id="1", reason="no"
        )
        raise ValueError("undone")
    assert [row.action for row in AuditEvent.objects.all()] == ["test.refused"]


@pytest.mark.django_db(transaction=True)
def test_a_refused_upload_is_in_the_trail_and_nothing_else_of_it() -> None:
    adapter = make.adapter()
    before = AuditEvent.objects.count()
    with pytest.raises(PackageInvalid):
        make.version(of=adapter, files={"../evil": b"x", **make.package()})
    rows = AuditEvent.objects.order_by("pk")[before:]
    assert [row.action for row in rows] == ["version.refused"]


@pytest.mark.django_db
def test_every_event_of_the_rooms_below_is_written_once() -> None:
    publish(RoleGranted(actor=SYSTEM, object_type="user", object_id="5", reason="new here"))
    row = AuditEvent.objects.get()
    assert (row.action, row.object_id) == ("role.granted", "5")


CHANGES = (
    "UPDATE compliance_auditevent SET body = '{}'",
    "UPDATE compliance_auditevent SET actor_name = 'nobody', sequence = 9",
    "DELETE FROM compliance_auditevent",
)
ONLY_THE_SEALER_MAY = "UPDATE compliance_auditevent SET sequence = 9"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("statement", "is_sealed"),
    [
        *((statement, False) for statement in CHANGES),
        *((statement, True) for statement in (*CHANGES, ONLY_THE_SEALER_MAY)),
    ],
)
def test_the_database_refuses_to_change_events(statement: str, is_sealed: bool) -> None:
    write()
    if is_sealed:
        sealing.seal_pending()
    with (
        pytest.raises(DatabaseError, match="never changed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
