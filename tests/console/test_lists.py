"""Lists: filters in the address, pages by key, and a number of queries that does not grow."""

import csv
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compliance.models import AuditEvent, CheckRun, EvaluationSet
from compliance.services import sealing
from config.console.exports import harmless
from registry.models import Adapter
from tests.factories import console, registry

pytestmark = pytest.mark.django_db(transaction=True)


def _text(answer):
    assert answer.status_code == 200
    return answer.content.decode().replace("&#x27;", "'")


def _queries(client, path):
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert client.get(path).status_code == 200
    return len(seen)


def _fill(world, number):
    """More of everything that pages list."""
    adapter = world.adapter
    version = console.version(world, name=f"w{number}", checked=False)
    other = registry.adapter(owner=world.engineer, medical_domain=f"domain {number}")
    node = console.node(world, name=f"node-w{number}")
    console.replica(node, version)
    deployment = console.deployment(world, stable=version)
    deployment.public_name = f"triage-{number}"
    deployment.save()
    rollout = console.rollout(world, deployment, version)
    console.answers(rollout, stable=3, canary=2, broken=1)
    console.analysis(rollout, worse=0.1, safe=0.2, requests=5)
    return adapter, version, other, rollout


@pytest.mark.usefixtures("held_clock")
def test_no_page_asks_more_when_there_is_more(world, as_user):
    _, version, _, rollout = _fill(world, 1)
    run = CheckRun.objects.get(version=version, kind="package")
    console.run_checks(version)
    sets = [console.evaluation_set(world, name="a0", size=40, level="adult")]
    console.evaluate(world, version, sets[0], right=36)
    assert run.pk
    client = as_user(world.operator)
    paths = (
        "/console/",
        "/console/adapters/",
        "/console/adapters/triage/",
        f"/console/versions/{version.uuid}/",
        "/console/rollouts/",
        f"/console/rollouts/{rollout.uuid}/",
        "/console/nodes/",
        "/console/audit/",
    )
    before = {path: _queries(client, path) for path in paths}
    for number in range(2, 6):
        _fill(world, number)
    for number in range(1, 3):
        more = console.evaluation_set(world, name=f"a{number}", size=40, level="adult")
        console.evaluate(world, version, more, right=30)
    assert EvaluationSet.objects.count() == 3
    after = {path: _queries(client, path) for path in paths}
    assert after == before
    assert max(after.values()) <= 60


def test_filters_stand_in_the_address(world, as_user):
    registry.adapter(name="Discharge letters", owner=world.engineer, medical_domain="surgery")
    client = as_user(world.engineer)
    both = _text(client.get("/console/adapters/"))
    assert "Discharge letters" in both
    assert "Triage assistant" in both
    one = _text(client.get("/console/adapters/?q=front+desk&class=A"))
    assert "Discharge letters" not in one
    assert 'value="front desk"' in one
    console.version(world, name="v1")
    found = _text(client.get("/console/adapters/?q=not+been+evaluated"))
    assert "Triage assistant" in found
    assert "Discharge letters" not in found
    none = _text(client.get("/console/adapters/?state=live"))
    assert "No adapter fits these filters." in none


def test_pages_by_key_show_every_row_once(world, as_user):
    for number in range(60):
        Adapter.objects.create(
            slug=f"line-{number}",
            name=f"Line {number:02}",
            base_model=world.adapter.base_model,
            owner=world.engineer,
        )
    client = as_user(world.engineer)
    seen, query = [], ""
    for _ in range(5):
        answer = client.get(f"/console/adapters/?{query}")
        page = answer.context["list"]
        seen += [adapter.name for adapter in page.rows]
        query = page.older
        if not query:
            break
    assert len(seen) == len(set(seen)) == 61


def test_nodes_show_what_is_wanted_and_seen(world, as_user):
    v1 = console.version(world, name="v1", checked=False)
    v2 = console.version(world, name="v2", checked=False)
    node = console.node(world)
    console.replica(node, v1)
    console.replica(node, v2, state="failed", error="No slot is free.")
    node.status["loaded"].append(
        {"name": "triage@0123456789ab", "digest": "01" * 32, "state": "unloading", "refs": 1}
    )
    node.status["loaded"] = node.status["loaded"][1:]
    node.save()
    text = _text(as_user(world.operator).get("/console/nodes/"))
    assert "wanted, not seen" in text
    assert "No slot is free." in text
    assert "loaded, not wanted" in text
    assert "1 of 8 taken" in text


def test_a_node_that_booted_anew_has_nothing_proven(world, as_user):
    v1 = console.version(world, name="v1", checked=False)
    node = console.node(world)
    console.replica(node, v1)
    node.boot_id = "another"
    node.save()
    assert "must be proven anew" in _text(as_user(world.operator).get("/console/nodes/"))


def test_audit_is_for_those_who_may_read_it(world, as_user):
    answer = as_user(world.reviewer).get("/console/audit/")
    assert answer.status_code == 403
    assert "Compliance officer" in answer.content.decode()
    assert "/console/audit/" not in _text(as_user(world.reviewer).get("/console/"))
    refused = AuditEvent.objects.filter(action="access.refused").count()
    assert refused == 1


@pytest.mark.parametrize("day", ["9999-12-31", "9999-12-31T23:59", "0000-00-00", "soon"])
def test_what_is_no_day_is_refused(world, as_user, day):
    client = as_user(world.operator)
    refused = client.get("/console/audit/export.csv", {"until": day})
    assert refused.status_code == 400
    assert "is no day" in refused.content.decode()
    # The page shows itself without the filter, and says so.
    page = client.get("/console/audit/", {"until": day})
    assert page.status_code == 200
    assert f"“{day}” is no value of the filter “until”" in page.content.decode()


def test_audit_filters_and_verifies(world, as_user):
    console.version(world, name="v1", checked=False)
    sealing.seal_pending()
    client = as_user(world.officer)
    text = _text(client.get("/console/audit/?action=version.submitted"))
    assert "uploaded a version" in text
    assert "granted a role" not in text.split('id="entries"')[1]
    assert _text(client.get("/console/audit/?actor=nobody")).count("No event fits") == 1
    assert "“yesterday” is no value" in _text(client.get("/console/audit/?since=yesterday"))
    sealing.seal_pending()
    good = _text(client.post("/console/audit/", {"act": "verify"}))
    assert "Every entry and every checkpoint is in order." in good


def test_an_export_is_filtered_harmless_and_on_record(world, as_user):
    answer = as_user(world.officer).get("/console/audit/export.csv?action=role.granted")
    rows = list(csv.reader(io.StringIO(b"".join(answer).decode())))
    assert rows[0][:4] == ["sequence", "at", "actor", "action"]
    assert {row[3] for row in rows[1:]} == {"role.granted"}
    assert len(rows) == 6
    assert AuditEvent.objects.filter(action="audit.exported").count() == 1


def test_a_cell_is_no_formula():
    assert harmless("=HYPERLINK()") == "'=HYPERLINK()"
    assert harmless("plain") == "plain"


def test_records_can_only_be_looked_at(world, as_user):
    client = as_user(world.operator)
    listed = _text(client.get("/console/accounts/user/"))
    assert "Accounts" in listed
    path = f"/console/accounts/user/{world.engineer.pk}/change/"
    shown = _text(client.get(path))
    assert world.engineer.password not in shown
    assert client.post(path, {"username": "other"}).status_code == 403
    assert client.post(f"/console/accounts/user/{world.engineer.pk}/delete/").status_code == 403
    assert client.get("/console/accounts/user/add/").status_code == 403


def test_a_missing_page_is_a_page(world, as_user):
    answer = as_user(world.operator).get("/console/nowhere/", headers={"accept": "text/html"})
    assert answer.status_code == 404
    assert "There is nothing here." in answer.content.decode()


def test_the_console_alone_may_evaluate(world, as_user, client):
    inside = as_user(world.operator).get("/console/").headers["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval'" in inside
    assert "unsafe-inline" not in inside.split("script-src")[1].split(";")[0]
    outside = client.get("/accounts/login/").headers["Content-Security-Policy"]
    assert "unsafe" not in outside
