"""The list of trainings and the page of one: curve, progress, cancelling, and who sees what."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compliance.models import AuditEvent
from config.accounts.roles import Role
from registry.models import TrainingRun
from registry.services import training_attempts as attempts
from registry.states import TrainingState
from tests.factories import accounts
from tests.factories import training as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def running() -> TrainingRun:
    run = make.start(make.avatar())
    attempts.begin(run_id=run.pk, worker="here")
    attempts.touch(
        run_id=run.pk,
        attempt=1,
        step=4,
        steps=16,
        series=[(1, 4.0), (2, 3.0), (4, 1.5)],
        checkpoint_step=2,
    )
    return TrainingRun.objects.select_related("adapter", "requested_by").get(pk=run.pk)


def test_the_page_shows_how_far_it_is_and_draws_the_loss_A39_A58(as_user, running) -> None:
    client = as_user(running.requested_by)
    path = f"/console/training/{running.uuid}/"
    text = client.get(path).content.decode()
    assert "Epoch 2 of 4, step 4 of 16." in text
    assert '<progress max="100" value="25.0"' in text
    assert 'points="6.25,4.00 12.50,40.80 25.00,96.00"' in text
    assert "first 4" in text and "1.5 at step 4" in text
    assert "notes-0" not in text, "names of files may tell of patients"
    part = client.get(f"{path}progress")
    assert "Epoch 2 of 4" in part.content.decode() and "HX-Refresh" not in part
    listed = client.get("/console/training/").content.decode()
    assert running.adapter.name in listed and "step 4 of 16" in listed
    assert "No training fits" in client.get("/console/training/?state=failed").content.decode()


def test_it_is_cancelled_with_a_reason(as_user, running) -> None:
    client = as_user(running.requested_by)
    path = f"/console/training/{running.uuid}/"
    said = client.post(path, {"act": "cancel", "reason": "wrong files"}, follow=True)
    assert "Cancelled. Nothing of it is kept." in said.content.decode()
    running.refresh_from_db()
    assert running.state == TrainingState.CANCELLING
    assert "It stops at the next step." in client.get(path).content.decode()
    assert attempts.end_cancelled(run_id=running.pk, attempt=1)
    assert client.get(f"{path}progress")["HX-Refresh"] == "true"
    assert "nothing of it is kept" in client.get(path).content.decode()
    events = AuditEvent.objects.filter(object_id=str(running.uuid))
    count = events.count()
    assert client.post(path, {"act": "cancel"}).status_code == 302
    assert events.count() == count, "who asks again changes nothing"


def test_others_see_nothing_and_operators_everything(as_user, running) -> None:
    path = f"/console/training/{running.uuid}/"
    other = as_user(accounts.engineer())
    assert other.get(path).status_code == 404
    assert other.get(f"{path}progress").status_code == 404
    assert running.adapter.name not in other.get("/console/training/").content.decode()
    auditor = as_user(accounts.user(Role.COMPLIANCE_OFFICER))
    page = auditor.get(path).content.decode()
    assert "disabled" in page and "This needs the role" in page
    assert auditor.post(path, {"act": "cancel"}).status_code == 403
    operator = as_user(accounts.user(Role.OPERATOR))
    assert operator.post(path, {"act": "cancel"}).status_code == 302
    running.refresh_from_db()
    assert running.state == TrainingState.CANCELLING


def test_a_failed_run_says_why_and_a_finished_one_what_it_made(as_user, running) -> None:
    attempts.fail(run_id=running.pk, attempt=1, error="The loss is no number any more at step 5.")
    text = as_user(running.requested_by).get(f"/console/training/{running.uuid}/").content.decode()
    assert "It was given up at step 4." in text
    assert "The loss is no number any more at step 5." in text
    assert "Cancel the training" not in text


def test_the_list_asks_a_fixed_number_of_times(as_user, running) -> None:
    client = as_user(running.requested_by)
    client.get("/console/training/")
    counts = []
    for _ in range(2):
        fields = {"adapter": running.adapter, "base_model": running.base_model, "seed": 1}
        owner = accounts.engineer()
        TrainingRun.objects.create(
            **fields, state="failed", parameters={}, requested_by=running.requested_by
        )
        TrainingRun.objects.create(**fields, state="failed", parameters={}, requested_by=owner)
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/console/training/").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12
