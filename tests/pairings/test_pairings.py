"""Two people act at the same moment, in every pairing: one outcome, no half state."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import product

from django.db import connection, transaction

from compliance.models import AuditEvent, Permission, Stop
from config.core.errors import DomainError
from registry.selectors import live_version
from serving.models import Deployment, Rollout
from serving.selectors.routing import build_snapshot
from serving.states import OPEN_ROLLOUT_STATES, RolloutState, StepKind, StepState
from tests.factories.at_once import lock_waiters
from tests.factories.gateway import until
from tests.pairings.model import ENDS, World, outcomes
from tests.pairings.scenes import ACTS, Person, Scene, house

ACCEPTED = {
    "sign": "signature.created",
    "abort": "rollout.aborting",
    "promote": "rollout.promoting",
    "roll_back": "rollback.started",
    "pause": "rollout.paused",
    "resume": "rollout.resumed",
    "stop": "stop.issued",
}
REFUSED = {
    "sign": "signature.refused",
    "abort": "rollout.abort_refused",
    "promote": "rollout.promotion_refused",
    "roll_back": "rollback.refused",
    "pause": "rollout.pause_refused",
    "resume": "rollout.resume_refused",
}


class Meeting:
    """Runs two calls on two connections of their own; each says whether it was accepted."""

    def __init__(self, scene: Scene) -> None:
        self._deployment_pk = scene.deployment.pk

    def at_a_barrier(self, first: Callable[[], object], second: Callable[[], object]) -> list[bool]:
        """Both begin at the same moment."""
        barrier = threading.Barrier(2, timeout=60)

        def meet(act: Callable[[], object]) -> bool:
            barrier.wait()
            return _accepted(act)

        with ThreadPoolExecutor(2) as pool:
            made = [pool.submit(meet, act) for act in (first, second)]
            return [each.result(120) for each in made]

    def in_a_queue(self, first: Callable[[], object], second: Callable[[], object]) -> list[bool]:
        """Both have looked before either writes: they queue behind the deployment's lock."""
        with ThreadPoolExecutor(2) as pool:
            with transaction.atomic():
                Deployment.objects.select_for_update(no_key=True).get(pk=self._deployment_pk)
                made: list[Future[bool]] = []
                for number, act in enumerate((first, second), 1):
                    made.append(pool.submit(_accepted, act))
                    until(lambda number=number: lock_waiters() + _over(made) >= number)  # type: ignore[misc]
            return [each.result(120) for each in made]


def _accepted(act: Callable[[], object]) -> bool:
    try:
        act()
        return True
    except DomainError:
        return False
    finally:
        connection.close()


def _over(made: list[Future[bool]]) -> int:
    return sum(each.done() for each in made)


def chain_of(rollout: Rollout) -> Iterator[tuple[str, str]]:
    """The moves of a rollout's state as the audit trail has them."""
    rows = AuditEvent.objects.filter(object_type="rollout", object_id=str(rollout.uuid))
    for row in rows.exclude(action="rollout.step").order_by("pk"):
        before, after = json.loads(row.body)["diff"].get("state", (None, None))
        if before != after:
            yield before, after


def check_trail(scene: Scene) -> None:
    """Exactly one event a transition: the chain has no gap, no fork and ends where the row is."""
    for rollout in Rollout.objects.filter(deployment=scene.deployment, pk__gte=scene.rollout.pk):
        state = str(RolloutState.RUNNING)
        for before, after in chain_of(rollout):
            assert before == state, (rollout.pk, before, state)
            state = after
        assert state == rollout.state
        steps = AuditEvent.objects.filter(action="rollout.step", object_id=str(rollout.uuid))
        seen = {(json.loads(row.body)["diff"]["step"][0], *json.loads(row.body)["diff"]["state"])
                for row in steps}  # fmt: skip
        assert len(seen) == steps.count(), "a step has moved twice"


def check_whole(scene: Scene, state: str) -> None:
    """Rows, alias, steps, weight and route tell the same story."""
    rollout, deployment = scene.rollout, scene.deployment
    if state in ENDS:
        assert rollout.state == ENDS[state]
        assert rollout.weight_percent == 0
        assert not Rollout.objects.filter(
            deployment=deployment, state__in=OPEN_ROLLOUT_STATES
        ).exists()
        good = (
            {StepState.DONE, StepState.SKIPPED}
            if rollout.state == RolloutState.PROMOTED
            else {StepState.UNDONE, StepState.SKIPPED}
        )
        left = rollout.steps.exclude(kind=StepKind.UNLOAD).exclude(state__in=good)
        assert not left.exists(), list(left.values_list("kind", "state"))
    else:
        assert rollout.state == {"going": "running"}.get(state, "paused")
        assert rollout.weight_percent > 0
    stable = deployment.stable_revision
    assert stable is not None
    expected = scene.candidate if state == "promoted" else scene.former
    assert stable.version == expected
    assert live_version(expected.adapter) == expected
    snapshot = build_snapshot()
    route = snapshot.deployments[deployment.public_name]
    assert route.stable is not None and route.stable.digest == expected.digest
    assert (route.canary is None) == (state in ENDS)
    backs = Rollout.objects.filter(deployment=deployment, strategy="rollback")
    assert backs.count() == (state == "restored")


def check_said(scene: Scene, acts: list[tuple[str, Person, bool]], since: int) -> None:
    """Each person's act is one event: accepted, or refused with a reason."""
    events = AuditEvent.objects.filter(pk__gt=since)
    for act, person, is_accepted in acts:
        if act == "promote" and not scene.by_hand:
            continue  # nobody's act: the control loop looks
        user = person.signer.user if act == "sign" else person.operator
        own = events.filter(actor_name=user.username)
        yes, no = ACCEPTED[act], REFUSED.get(act, "")
        if act == "stop":
            assert own.filter(action__in=["stop.issued", "stop.repeated"]).count() == 1
            continue
        assert own.filter(action=yes).count() == is_accepted, (act, yes)
        assert own.filter(action=no).count() == (not is_accepted), (act, no)
    if "stop" in {act for act, _, _ in acts}:
        assert events.filter(action="stop.issued").count() == 1
        assert Stop.objects.filter(digest=scene.candidate.digest, released_at=None).count() == 1
    if scene.request is not None:
        scene.request.refresh_from_db()
        is_signed = any(act == "sign" and is_accepted for act, _, is_accepted in acts)
        assert (scene.request.state == "approved") == is_signed
        assert scene.request.signatures.count() == 1 + is_signed
        assert events.filter(action="version.approved").count() == is_signed
        open_ones = Permission.objects.filter(
            version=scene.candidate, purpose="serve", ended_at__isnull=True
        )
        assert [row.request_id for row in open_ones] == [scene.request.pk]


def test_two_people_at_the_same_moment_in_every_pairing(transactional_db: None) -> None:
    place = house()
    for first, second in product(ACTS, ACTS):
        scene = place.scene(first, second)
        since = AuditEvent.objects.order_by("-pk").values_list("pk", flat=True)[0]
        one, other = place.people
        meeting = Meeting(scene)
        is_later = ACTS.index(first) > ACTS.index(second)
        meet = meeting.at_a_barrier if is_later else meeting.in_a_queue
        accepted = meet(place.act(first, scene, one), place.act(second, scene, other))
        place.settle(scene)
        state = matched(scene, first, second, accepted)
        check_whole(scene, state)
        check_trail(scene)
        check_said(scene, [(first, one, accepted[0]), (second, other, accepted[1])], since)
        place.tidy(scene, state)


def matched(scene: Scene, first: str, second: str, accepted: list[bool]) -> str:
    """The model's state that the rollout came to, by one of the two orders."""
    rollout = scene.rollout
    is_back = Rollout.objects.filter(deployment=scene.deployment, strategy="rollback").exists()
    allowed = outcomes(World(scene.state, scene.by_hand), first, second)
    fitting = [
        state
        for state, *said in allowed
        if said == accepted
        and ENDS.get(state, "running" if state == "going" else "paused") == rollout.state
        and (state == "restored") == is_back
    ]
    found = (first, second, accepted, rollout.state, rollout.reason, is_back)
    assert fitting, f"from {scene.state}: {found}; allowed are {sorted(allowed)}"
    return fitting[0]
