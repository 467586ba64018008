"""The rollout page: words, counts, acts, and the events that move it."""

import asyncio
import json
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.models import Session
from django.db import connections
from django.test import AsyncClient
from django.utils import timezone

from config.accounts.models import RoleGrant, User
from config.console.selectors.rollout_evidence import thinned
from config.console.selectors.rollout_sentence import sentence
from config.console.selectors.rollouts import rollout_page
from config.console.views import rollouts as views
from serving.models import AnalysisRun, Answer, Rollout
from tests.factories import console

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def running(world):
    v1 = console.version(world, name="v1", checked=False)
    v2 = console.version(world, name="v2", checked=False)
    return console.rollout(world, console.deployment(world, stable=v1), v2)


def _path(rollout):
    return f"/console/rollouts/{rollout.uuid}/"


def _text(answer):
    return answer.content.decode().replace("&#x27;", "'")


def test_what_is_tried_and_what_it_takes(world, as_user, running):
    console.answers(running, stable=80, canary=20)
    console.analysis(running, worse=0.0, safe=0.4, requests=100, needed_requests=140)
    text = _text(as_user(world.operator).get(_path(running)))
    assert "v2 is being tried on 20 % of the requests to triage; v1 answers the others." in text
    assert "About 140 more requests are needed to tell." in text
    assert "That it is good enough: 25 %." in text
    assert '<td class="is-number">×2.5</td>' in text


def test_after_the_end_it_says_what_happened(world, as_user, running):
    console.answers(running, stable=84, canary=21, broken=5)
    Rollout.objects.filter(pk=running.pk).update(
        state="rolled_back", trigger="contract_broken", finished_at=timezone.now()
    )
    text = _text(as_user(world.operator).get(_path(running)))
    said = "v2 broke the agreed form in 5 of 21 answers; all were replaced by v1's before anyone"
    assert said in text
    assert "Of v2's answers 5 broke the agreed form." in text
    assert "It has ended." in text


@pytest.mark.parametrize(
    ("state", "trigger", "said"),
    [
        ("promoted", "", "v2 was promoted: it answers every request to triage instead of v1."),
        ("aborted", "manual", "A person aborted the rollout of v2. v1 answers every request"),
        ("rolled_back", "answers_reported", "1 of 21 answers of v2 were reported as wrong"),
        ("rolled_back", "stopped", "rolled back: the version was stopped everywhere."),
        ("rolled_back", "error_rate_high", "of 21 answers of v2 were not in order, against"),
        ("rolling_back", "manual", "The rollback is under way."),
        ("paused", "", "It is paused and waits for a person."),
    ],
)
def test_every_end_has_a_sentence(world, running, state, trigger, said):
    console.answers(running, stable=84, canary=21, broken=2)
    console.feedback(Answer.objects.filter(arm="canary", was_replaced=False)[0])
    Rollout.objects.filter(pk=running.pk).update(state=state, trigger=trigger)
    rollout = views.rollout_by_uuid(running.uuid)
    page = rollout_page(rollout)
    assert said in sentence(rollout, page.canary, page.stable)


def test_replacements_count_for_neither_side(world, running):
    console.answers(running, stable=10, canary=5, broken=2)
    for broken in Answer.objects.filter(was_replaced=True):
        Answer.objects.create(
            answer_id=f"instead-{broken.pk}",
            deployment=running.deployment,
            rollout=running,
            arm="stable",
            digest=running.from_revision.digest,
            replaces_answer_id=broken.answer_id,
        )
    page = rollout_page(running)
    assert (page.canary.answers, page.stable.answers, page.canary.replaced) == (5, 10, 2)


def test_long_curves_are_thinned_and_keep_their_end(running):
    points = [AnalysisRun(rollout=running, requests_count=n) for n in range(1000)]
    kept = thinned(points)
    assert len(kept) == 120
    assert kept[-1] is points[-1]


def test_acts_need_a_reason_and_a_role(world, as_user, running):
    refused = as_user(world.reviewer).post(_path(running), {"act": "pause", "reason": "odd"})
    assert refused.status_code == 403
    assert "This needs the role ML engineer or Operator." in _text(refused)
    operator = as_user(world.operator)
    assert operator.post(_path(running), {"act": "pause", "reason": ""}).status_code == 400
    assert operator.post(_path(running), {"act": "pause", "reason": "odd"}).status_code == 302
    running.refresh_from_db()
    assert (running.state, running.paused_reason) == ("paused", "odd")
    assert operator.post(_path(running), {"act": "resume", "reason": "fine"}).status_code == 302
    early = operator.post(_path(running), {"act": "roll-back", "reason": "no"})
    assert early.status_code == 409
    assert "is not promoted" in _text(early)
    assert operator.post(_path(running), {"act": "abort", "reason": "no"}).status_code == 302
    running.refresh_from_db()
    assert running.state in {"aborting", "aborted"}
    late = operator.post(_path(running), {"act": "resume", "reason": "after all"})
    assert late.status_code == 409
    assert "can't become" in _text(late)


def test_events_tell_of_every_change_and_of_nothing_else(world, running):
    async def watch():
        client = AsyncClient()
        await client.aforce_login(world.operator, backend="config.accounts.backends.RoleBackend")
        answer = await client.get(f"{_path(running)}events")
        assert answer["Content-Type"] == "text/event-stream"
        stream = aiter(answer.streaming_content)
        first = await asyncio.wait_for(anext(stream), 30)
        following = asyncio.ensure_future(anext(stream))
        done, _ = await asyncio.wait([following], timeout=2.5)
        assert not done
        await Rollout.objects.filter(pk=running.pk).aupdate(weight_percent=50)
        second = await asyncio.wait_for(following, 30)
        await stream.aclose()
        return first, second

    first, second = (json.loads(part.decode().split("data: ")[1]) for part in asyncio.run(watch()))
    assert (first["weight"], second["weight"]) == (20, 50)
    assert "being tried on 50 %" in second["sentence"]
    assert '<h2 id="track">' in second["html"]


def test_the_stream_ends_by_itself(world, running, settings, monkeypatch):
    monkeypatch.setattr(views, "END_AFTER_SECONDS", 0.0)

    async def read():
        _, answer = await _watch(world.operator, running)
        return [part async for part in answer.streaming_content]

    assert asyncio.run(read()) == []


async def _watch(user, rollout):
    client = AsyncClient()
    await client.aforce_login(user, backend="config.accounts.backends.RoleBackend")
    return client, await client.get(f"{_path(rollout)}events")


def _sign_out(user):
    Session.objects.all().delete()


def _deactivate(user):
    User.objects.filter(pk=user.pk).update(is_active=False)


def _change_password(user):
    user.set_password("another long password")
    user.save()


def _end_role(user):
    RoleGrant.objects.filter(user=user).update(ended_at=timezone.now())


@pytest.mark.parametrize("ending", [_sign_out, _deactivate, _change_password, _end_role])
def test_the_stream_ends_with_the_right_to_read_it(world, running, ending):
    def end():
        ending(world.operator)
        connections.close_all()  # of a thread that goes back to a pool

    async def watch():
        _, answer = await _watch(world.operator, running)
        stream = aiter(answer.streaming_content)
        await asyncio.wait_for(anext(stream), 30)
        await sync_to_async(end, thread_sensitive=False)()
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(stream), 30)

    asyncio.run(watch())


def test_events_of_no_rollout_and_for_no_role_are_refused_at_once(world, as_user, running):
    answer = as_user(world.operator).get(f"/console/rollouts/{uuid4()}/events")
    assert (answer.status_code, answer.streaming) == (404, False)
    _end_role(world.operator)
    assert as_user(world.operator).get(f"{_path(running)}events").status_code == 403


def test_events_are_for_accounts_of_the_console(client, running):
    answer = client.get(f"{_path(running)}events")
    assert answer.status_code == 302
    assert "/console/login/" in answer.headers["Location"]
