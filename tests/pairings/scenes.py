"""Where two people meet: a rollout in a known state, and the acts that each may try on it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from compliance.models import ApprovalRequest, Stop
from compliance.services import stops
from config.accounts.models import User
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from registry.models import Version
from serving.models import Deployment, Rollout
from serving.services import rollbacks, rollouts
from tests.factories import accounts
from tests.factories import compliance as judge
from tests.factories.compliance import Signer
from tests.factories.serving import add_answers
from tests.factories.trials import Desk, advanced, undecided

ACTS = ("sign", "abort", "promote", "roll_back", "pause", "resume", "stop")
QUICK = {"stages": [50], "report_rule": "watch", "least_canary_answers": 1}
ITEMS = 120
"""So many that two equal versions are shown to be no worse than the margin of class A."""


@dataclass
class Person:
    """Somebody who may do every act; whoever signs for the second time signs with the other."""

    operator: User
    signer: Signer


@dataclass
class Scene:
    """``state``: the model's word for where the rollout stands, see ``model``."""

    state: str
    deployment: Deployment
    rollout: Rollout
    former: Version
    candidate: Version
    request: ApprovalRequest | None
    by_hand: bool


@dataclass
class House:
    """One desk with two versions and two people; scenes are made of them again and again."""

    desk: Desk
    former: Version
    candidate: Version
    people: tuple[Person, Person]
    reviewer: Signer
    free: list[Deployment] = field(default_factory=list)

    def scene(self, first: str, second: str) -> Scene:
        """A scene in which the two acts stand in each other's way."""
        pair = {first, second}
        request = self._request() if "sign" in pair else None
        if "roll_back" in pair and "promote" not in pair:
            return self._promoted(request)
        if "pause" in pair:
            return self._ready(request)
        return self._undecided(request)

    def _undecided(self, request: ApprovalRequest | None) -> Scene:
        deployment = self._deployment()
        rollout = self.desk.start(deployment, self.candidate)
        undecided(rollout)
        return self._made("undecided", deployment, rollout, request, by_hand=True)

    def _ready(self, request: ApprovalRequest | None) -> Scene:
        """One look away from its promotion."""
        deployment = self._deployment()
        rollout = self.desk.start(deployment, self.candidate)
        add_answers(rollout, canary=75)
        return self._made("ready", deployment, rollout, request)

    def _promoted(self, request: ApprovalRequest | None) -> Scene:
        deployment = self.desk.live(self.former, self.candidate, **QUICK)
        rollout = Rollout.objects.filter(deployment=deployment).order_by("-pk")[0]
        return self._made("promoted", deployment, rollout, request)

    def _deployment(self) -> Deployment:
        """One whose first and only version so far is the former one."""
        return self.free.pop() if self.free else self.desk.live(self.former, **QUICK)

    def _made(
        self,
        state: str,
        deployment: Deployment,
        rollout: Rollout,
        request: ApprovalRequest | None,
        *,
        by_hand: bool = False,
    ) -> Scene:
        return Scene(state, deployment, rollout, self.former, self.candidate, request, by_hand)

    def _request(self) -> ApprovalRequest:
        """A newer revision of the candidate's record, of which only the last signature is due."""
        more = judge.evaluation_set(given=judge.items(3), user=self.reviewer.user)
        for version in (self.former, self.candidate):
            judge.evaluated(version, on=more)
        request = judge.requested(self.candidate)
        self.reviewer.sign(request, "reviewed_technical")
        for person in self.people:  # a later signature bears a later time
            person.signer.steps = self.reviewer.steps
        request.refresh_from_db()
        return request

    def act(self, name: str, scene: Scene, person: Person) -> Callable[[], object]:
        """The act as one call; whatever it needs is read when it is called."""
        who = {
            "user": person.operator,
            "actor": actor_of(person.operator),
            "reason": f"{person.operator.username} wants it",
        }
        if name == "sign":
            assert scene.request is not None
            return lambda: person.signer.sign(scene.request, "approved")
        if name == "stop":
            return lambda: stops.issue(digest=scene.candidate.digest, **who)
        if name == "roll_back":
            return lambda: rollbacks.start(
                deployment=Deployment.objects.get(pk=scene.deployment.pk),
                leaving=scene.candidate,
                **who,
            )
        if name == "promote" and not scene.by_hand:
            return lambda: advanced(Rollout.objects.get(pk=scene.rollout.pk))
        service = getattr(rollouts, name)
        return lambda: service(rollout=Rollout.objects.get(pk=scene.rollout.pk), **who)

    def settle(self, scene: Scene) -> None:
        """What the control loop would do within seconds."""
        is_moving = True
        while is_moving:
            is_moving = rollbacks.obey_stops() > 0
            for rollout in Rollout.objects.filter(
                deployment=scene.deployment, pk__gte=scene.rollout.pk
            ):
                is_moving |= rollouts.advance(rollout_id=rollout.pk)
        scene.rollout.refresh_from_db()
        scene.deployment.refresh_from_db()

    def tidy(self, scene: Scene, state: str) -> None:
        """The next scene finds the versions free again, and the deployment where nothing stuck."""
        for stop in Stop.objects.filter(released_at=None):
            for user, act in zip(
                (person.operator for person in self.people),
                (
                    lambda who, stop=stop: stops.ask_release(stop=stop, reason="next", **who),
                    lambda who, stop=stop: stops.release(stop=stop, **who),
                ),
                strict=True,
            ):
                act({"user": user, "actor": actor_of(user)})
        if state in {"aborted", "taken_back"}:
            self.free.append(scene.deployment)
        else:
            Deployment.objects.filter(pk=scene.deployment.pk).update(is_enabled=False)


def house() -> House:
    """The former version is permitted; the candidate was approved by people."""
    desk = Desk(items=ITEMS)
    former, candidate = desk.version(), desk.version(is_permitted=False)
    judge.approved(candidate)
    first, second = (
        Person(accounts.user(Role.OPERATOR), judge.signer(Role.COMPLIANCE_OFFICER))
        for _ in range(2)
    )
    return House(desk, former, candidate, (first, second), judge.signer(Role.REVIEWER))


__all__ = ["ACTS", "House", "Person", "Scene", "house"]
