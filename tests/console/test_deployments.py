"""The deployments: what answers and since when, what was live at a moment, and the acts."""

from datetime import timedelta

import pytest

from compliance.models import AuditEvent, Stop
from config.core import clock
from registry.models import Version
from serving.models import Answer, Deployment, Rollout, RolloutStep
from tests.factories import console

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/console/deployments/triage/"


def _text(answer):
    assert answer.status_code == 200, answer.content.decode()[:2000]
    return answer.content.decode().replace("&#x27;", "'")


@pytest.fixture
def sets(world):
    return (
        console.evaluation_set(world, name="adults", size=120, level="adult"),
        console.evaluation_set(world, name="children", size=60, level="child"),
    )


@pytest.fixture
def live(world, sets):
    """v1 was promoted ten days ago, v2 three days ago; v2 was approved by two people."""
    v1 = console.version(world, name="v1")
    v2 = console.version(world, name="v2")
    with clock.frozen_at(clock.now() - timedelta(days=4)):
        console.approved(world, v2, *sets)
    deployment = console.deployment(world)
    for version, days in ((v1, 10), (v2, 3)):
        at = clock.now() - timedelta(days=days)
        made = console.rollout(world, deployment, version, state="promoted")
        Rollout.objects.filter(pk=made.pk).update(
            started_at=at - timedelta(hours=2), finished_at=at
        )
        RolloutStep.objects.filter(rollout=made, index=2).update(
            finished_at=at - timedelta(hours=1)
        )
        deployment.stable_revision, deployment.stable_since = made.to_revision, at
        deployment.save()
    return deployment


def test_the_first_line_says_what_answers_since_when_by_whose_approval(world, live, as_user):
    with clock.frozen_at(live.stable_since + timedelta(days=3)):
        text = _text(as_user(world.clinician).get(PAGE))
    day = f"{live.stable_since:%A}"
    assert (
        f"Triage assistant is answered by v2 for everyone since {day}, "
        "approved by Ben Example and Dr. Cleo Example."
    ) in text
    assert "It has at most 6 tokens." in text
    assert "it matches the pattern (red|amber|green)" in text
    assert "is brought back by itself" not in text  # v1 was never approved


def test_hours_have_counts_and_percentiles(world, live, as_user):
    now = clock.now()
    durations = [*range(10, 1010, 10)]  # 100 answers: the 50th is 500 ms, the 95th 950 ms
    Answer.objects.bulk_create(
        Answer(answer_id=f"a{index}", deployment=live, digest="0" * 64, duration_ms=value, at=now)
        for index, value in enumerate(durations)
    )
    for failure, replaced in (("timeout", False), ("contract_broken", True)):
        Answer.objects.create(
            answer_id=failure, deployment=live, digest="0" * 64, duration_ms=90_000, at=now,
            failure=failure, was_replaced=replaced,
        )  # fmt: skip
    Answer.objects.create(
        answer_id="old", deployment=live, digest="0" * 64, duration_ms=7, at=now - timedelta(days=2)
    )
    answer = as_user(world.operator).get(PAGE)
    text = _text(answer)
    (hour,) = answer.context["page"].traffic.used
    assert (hour.answers, hour.failures, hour.replaced) == (101, 1, 1)
    assert (hour.p50_ms, hour.p95_ms) == (500, 950)
    assert "101 answers, 1 of them not in order; 1 on trial were replaced" in text
    assert '<td class="is-number">950 ms</td>' in text


def test_what_was_live_at_a_moment(world, live, as_user):
    client = as_user(world.officer)

    def then(days, hours=0):
        at = clock.now() - timedelta(days=days, hours=hours)
        return _text(client.get(PAGE, {"at": f"{at:%Y-%m-%dT%H:%M}"}))

    assert "nothing answered under triage yet" in then(20)
    five = then(5)
    assert "triage was answered by v1." in five
    trial = then(3, 0.5)
    assert "triage was answered by v1, and by v2 for 20 % of the requests." in trial
    one = then(1)
    assert "triage was answered by v2; approved by Ben Example and Dr. Cleo Example." in one
    stop = Stop.objects.create(
        digest=live.stable_revision.digest, reason="odd answers", issued_by=world.operator,
        issued_at=clock.now() - timedelta(days=2), released_at=clock.now() - timedelta(hours=30),
    )  # fmt: skip
    assert "v2 was stopped." in then(1, 12)
    assert stop.reason in then(1, 12)
    assert "triage was answered by v2" in then(1)
    assert "That moment has not come yet." in _text(client.get(PAGE, {"at": "2999-01-01T00:00"}))
    assert "is no moment" in _text(client.get(PAGE, {"at": "Tuesday"}))


def test_a_stop_says_what_it_touches_and_is_told_first(world, live, as_user):
    v2 = live.stable_revision.version
    console.replica(console.node(world), v2)
    client = as_user(world.reviewer)
    text = _text(client.get(PAGE))
    assert "1 node, 1 deployment (triage), 3 requests in flight" in text
    refused = client.post(PAGE, {"act": "stop", "digest": v2.digest, "reason": " "})
    assert refused.status_code == 400
    assert not Stop.objects.exists()
    client.post(PAGE, {"act": "stop", "digest": v2.digest, "reason": "odd answers"})
    assert Stop.objects.get().digest == v2.digest
    after = _text(client.get(PAGE))
    assert "Nobody gets an answer from Triage assistant: v2 is stopped everywhere." in after
    assert "It is stopped already." in after


def test_acts_are_grey_with_their_reason(world, live, as_user):
    reader = _text(as_user(world.reviewer).get(PAGE))
    assert "This needs the role ML engineer or Operator." in reader
    operator = _text(as_user(world.operator).get(PAGE))
    assert "No other version is approved and not stopped." in operator
    assert "There is no earlier version that is approved and not stopped." in operator
    answer = as_user(world.reviewer).post(PAGE, {"act": "roll-back", "reason": "no role"})
    assert answer.status_code == 403
    assert AuditEvent.objects.filter(action="access.refused").count() == 1


def test_a_rollout_starts_one_at_a_time(world, live, sets, as_user):
    v3 = console.version(world, name="v3")
    console.approved(world, v3, *sets)
    client = as_user(world.operator)
    text = _text(client.get(PAGE))
    assert f'<option value="{v3.uuid}">v3</option>' in text
    refused = client.post(PAGE, {"act": "start", "version": str(v3.uuid), "strategy": "hope"})
    assert refused.status_code == 400
    answer = client.post(PAGE, {"act": "start", "version": str(v3.uuid), "strategy": "canary"})
    made = Rollout.objects.get(state="running")
    assert answer.headers["Location"] == f"/console/rollouts/{made.uuid}/"
    assert made.to_revision.version == v3
    busy = _text(client.get(PAGE))
    assert "A rollout is under way; there is one at a time." in busy
    assert "A rollout is under way; end it on its page" in busy
    wrong = client.post(PAGE, {"act": "roll-back", "reason": "odd", "leaving": str(v3.uuid)})
    assert wrong.status_code == 409


def test_a_deployment_is_opened_in_the_console(world, as_user):
    form = {
        "act": "open",
        "public_name": "letters",
        "title": "Letters",
        "adapter": "triage",
        "max_tokens": "12",
        "pattern": "yes|no",
        "must_end": "yes",
    }
    path = "/console/deployments/"
    assert as_user(world.reviewer).post(path, form).status_code == 403
    client = as_user(world.operator)
    for change, said in (
        ({"public_name": "No Capitals"}, "can't be a public name"),
        ({"max_tokens": "many"}, "no whole number"),
        ({"pattern": "("}, "no"),
        ({"adapter": "nobody"}, "There is no adapter"),
        ({"adapter": "", "base_model": ""}, "Nothing was chosen"),
    ):
        refused = client.post(path, form | change)
        assert refused.status_code in {400, 404, 422}, change
        assert said in refused.content.decode().replace("&#x27;", "'")
    assert not Deployment.objects.exists()
    answer = client.post(path, form)
    assert answer.headers["Location"] == "/console/deployments/letters/"
    made = Deployment.objects.get()
    assert made.output_contract == {
        "max_tokens": 12,
        "pattern": "yes|no",
        "stop_reasons": ["stop"],
    }
    assert "Nothing answers under letters yet" in _text(client.get(answer.headers["Location"]))
    assert client.post(path, form).status_code == 409


def test_the_base_itself_can_be_served(world, as_user):
    base = world.adapter.base_model
    client = as_user(world.operator)
    form = {"act": "open", "public_name": "base", "base_model": base.slug}
    client.post("/console/deployments/", form)
    made = Deployment.objects.get()
    assert (made.adapter, made.base_model) == (None, base)
    path = "/console/deployments/base/"
    assert "the base model" in _text(client.get(path))
    assert client.post(path, {"act": "start", "reason": ""}).status_code == 400
    client.post(path, {"act": "start", "reason": "to compare with"})
    assert Rollout.objects.get().to_revision.version is None
    assert Version.objects.count() == 0


def test_a_deployment_that_is_not_there_is_a_page(world, as_user):
    answer = as_user(world.operator).get("/console/deployments/nowhere/")
    assert answer.status_code == 404
    assert "There is no deployment" in answer.content.decode()
