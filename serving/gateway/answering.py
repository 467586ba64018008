"""Answers one request: picks the side, asks it, and falls back to stable before anyone sees."""

import asyncio
import secrets

from config.core import keys
from config.core.errors import DomainError
from serving.domain import answer_ids, shown
from serving.domain.contract import judge
from serving.domain.openai_api import AskedAnswer
from serving.domain.routing import (
    Canary,
    DeploymentRoute,
    RoutingUnit,
    Standing,
    Target,
    TokenGrant,
    pick_arm,
)
from serving.gateway.attempts import Attempt, AttemptFailed, WholeAnswer
from serving.gateway.delivery import Delivery
from serving.gateway.errors import (
    AnswerLost,
    DatabaseAway,
    ModelNotFound,
    NoReplica,
    NotPermitted,
    refusal_of,
)
from serving.gateway.gateway import Gateway
from serving.gateway.node_client import request_body
from serving.gateway.sides import Side
from serving.states import Arm, FailureKind

# Standings that say nothing of how good a version is: its node was told before this process was.
_WITHDRAWN = frozenset(
    {Standing.STOPPED, Standing.NOT_PERMITTED, Standing.LEASE_ENDED, Standing.HELD}
)


def find_route(gateway: Gateway, model: str) -> DeploymentRoute:
    """The deployment with this public name.

    Raises:
        ModelNotFound: there is none.
        DatabaseAway: there was none when the database was last read, and it can't be read now.
    """
    route = gateway.snapshots.current.deployments.get(model)
    if route is None:
        if gateway.snapshots.is_control_away:
            raise DatabaseAway(
                f"Whether there is a model {shown.name_or(model, 'of that name')} can't be told"
                " now.",
                fix="Try again in a few seconds.",
                retry_after_seconds=gateway.limits.retry_after_seconds,
            )
        raise ModelNotFound(
            f"There is no model {shown.name_or(model, 'of that name')} here.",
            fix="GET /v1/models lists the names that are served.",
        )
    return route


class Answering:
    """One request on its way to its answer."""

    def __init__(
        self,
        *,
        gateway: Gateway,
        route: DeploymentRoute,
        asked: AskedAnswer,
        grant: TokenGrant,
        unit: str,
        delivery: Delivery,
    ) -> None:
        self._gateway = gateway
        self._route = route
        self._asked = asked
        self._grant = grant
        self._delivery = delivery
        self._unit_hash = b""
        if unit and route.routing_unit is RoutingUnit.UNIT:
            self._unit_hash = keys.keyed_hash("routing-unit", f"{route.pk}\0{unit}".encode())
        self._running: Side | None = None

    async def run(self) -> None:
        """Send the answer.

        Raises:
            DomainError: nothing has been sent, and nothing can be.
        """
        try:
            await self._run()
        except asyncio.CancelledError:
            # The caller hung up: the row is kept, and counts neither for nor against the version.
            if self._running is not None and self._running.attempt.first_token_ms is not None:
                self._gateway.rows.submit(self._running.row(is_evidence=False))
            raise
        finally:
            if self._running is not None:
                self._running.attempt.close()

    async def _run(self) -> None:
        route, canary = self._route, self._route.canary
        if canary is None and route.stable is None:
            raise NotPermitted(
                f"No approved version is deployed as {route.public_name} yet.",
                fix="It answers when a version is approved and rolled out.",
            )
        nonce = secrets.token_bytes(answer_ids.NONCE_BYTES)
        arm = pick_arm(route, self._unit_hash or nonce)
        # Stable's answers are the canary's control group only while the canary can be picked.
        evidence: Canary | None = None
        if canary is not None:
            canary_standing = self._gateway.snapshots.standing(route, canary.target)
            if canary_standing is Standing.ROUTABLE:
                evidence = canary
            elif route.stable is None:
                raise self._refusal(canary_standing)
        if arm is Arm.STABLE or evidence is None:
            await self._ask_stable(nonce, evidence)
            return
        side = self._side(evidence.target, Arm.CANARY, nonce, evidence)
        failed = await self._try_canary(side)
        if failed is None:
            return
        if route.stable is None:
            await self._gateway.rows.commit(side.row(failed.failure))
            raise failed.error
        await self._replace(side, failed.failure)

    async def _try_canary(self, side: Side) -> AttemptFailed | None:
        """Answer with the canary; what was wrong, while the client has seen nothing of it."""
        is_held_back = self._route.contract is not None or not self._asked.stream
        self._running = side
        try:
            if is_held_back:
                async with asyncio.timeout(self._gateway.limits.held_back_seconds):
                    answer = await side.attempt.whole()
                self._require_sound(side, answer)
            else:
                await side.attempt.open()
        except TimeoutError:
            return AttemptFailed(FailureKind.TIMEOUT, self._lost("took too long"))
        except AttemptFailed as failed:
            return await self._explained(failed, side.target)
        if is_held_back:
            await self._delivery.send_whole(side, answer, FailureKind.NONE)
        else:
            await self._delivery.send_stream(side)
        self._running = None
        return None

    def _require_sound(self, side: Side, answer: WholeAnswer) -> None:
        failure = self._judge(side, answer)
        if failure is not FailureKind.NONE:
            raise AttemptFailed(failure, self._lost("did not keep the form that it promises"))

    async def _replace(self, side: Side, failure: FailureKind) -> None:
        """Ask stable instead of a failed canary, and record both."""
        side.attempt.close()
        self._running = None
        nonce = secrets.token_bytes(answer_ids.NONCE_BYTES)
        try:
            await self._ask_stable(nonce, None, replaces=side, failure=failure)
        except (DomainError, asyncio.CancelledError):
            if not side.is_recorded:
                self._gateway.rows.submit(side.row(failure))
            raise

    async def _ask_stable(
        self,
        nonce: bytes,
        evidence: Canary | None,
        *,
        replaces: Side | None = None,
        failure: FailureKind = FailureKind.NONE,
    ) -> None:
        target = self._route.stable
        assert target is not None, "without a stable side nothing leads here"
        standing = self._gateway.snapshots.standing(self._route, target)
        if standing is not Standing.ROUTABLE:
            raise self._refusal(standing)
        side = self._side(target, Arm.STABLE, nonce, evidence)
        side.replaces_answer_id = "" if replaces is None else replaces.answer_id
        self._running = side
        answer: WholeAnswer | None = None
        try:
            if self._asked.stream:
                await side.attempt.open()
            else:
                answer = await side.attempt.whole()
        except AttemptFailed as error:
            self._running = None
            failed = await self._explained(error, target)
            await self._gateway.rows.commit(side.row(failed.failure))
            raise failed.error from failed
        if replaces is not None:
            # Queued before stable's own row: who sees that one sees this one.
            replaces.is_recorded = True
            self._gateway.rows.submit(replaces.row(failure, was_replaced=True))
        if answer is None:
            await self._delivery.send_stream(side)
        else:
            await self._delivery.send_whole(side, answer, self._judge(side, answer))
        self._running = None

    async def _explained(self, failed: AttemptFailed, target: Target) -> AttemptFailed:
        """The failure as the control plane has it: nodes hear of a stop first, and unload."""
        if not isinstance(failed.error, NoReplica):
            return failed
        await self._gateway.snapshots.look_again()
        standing = self._gateway.snapshots.standing(self._route, target)
        if standing not in _WITHDRAWN:
            return failed
        return AttemptFailed(FailureKind.STOPPED, self._refusal(standing))

    def _side(self, target: Target, arm: Arm, nonce: bytes, evidence: Canary | None) -> Side:
        limit = self._asked.max_tokens
        if self._route.contract is not None:
            limit = self._route.contract.cap(limit)
        asked = self._asked
        attempt = Attempt(
            nodes=self._gateway.nodes,
            limits=self._gateway.limits,
            target=target,
            upstreams=self._gateway.snapshots.current.upstreams.get(target.key, ()),
            body=request_body(
                target.node_name,
                {
                    "messages": asked.messages,
                    "prompt": asked.prompt,
                    "max_tokens": limit,
                    "temperature": asked.temperature,
                    "top_p": asked.top_p,
                    "stop": asked.stop,
                    "seed": asked.seed,
                },
            ),
            public_name=self._route.public_name,
        )
        return Side(
            route=self._route,
            target=target,
            attempt=attempt,
            arm=arm,
            rollout_pk=0 if evidence is None else evidence.rollout_pk,
            stage=0 if evidence is None else evidence.stage,
            unit_hash=self._unit_hash,
            token_name=self._grant.name,
            nonce=nonce,
        )

    def _judge(self, side: Side, answer: WholeAnswer) -> FailureKind:
        return judge(
            self._route.contract,
            text=answer.text,
            finish=answer.finish,
            completion_tokens=side.attempt.usage.completion_tokens,
        )

    def _refusal(self, standing: Standing) -> DomainError:
        return refusal_of(
            standing,
            public_name=self._route.public_name,
            retry_after_seconds=self._gateway.limits.retry_after_seconds,
        )

    def _lost(self, how: str) -> AnswerLost:
        return AnswerLost(
            f"The answer of {self._route.public_name} {how}.",
            fix="Ask again.",
            retry_after_seconds=self._gateway.limits.retry_after_seconds,
        )
