"""Asks two versions the same at once and passes on what they say; nothing of it is kept."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

from config.core.errors import DomainError
from serving.domain import answer_ids
from serving.domain.contract import judge
from serving.domain.openai_api import AskedAnswer
from serving.domain.routing import DeploymentRoute, Standing, Target
from serving.gateway.answering import find_route
from serving.gateway.attempts import Attempt, AttemptFailed
from serving.gateway.errors import NotPermitted, refusal_of
from serving.gateway.gateway import Gateway
from serving.gateway.node_client import NodeEvent, request_body
from serving.gateway.sides import Side
from serving.services.playground import seal
from serving.states import Arm

Event = dict[str, Any]


class SideBySide:
    """One text put to the stable version of a deployment and to a candidate.

    Each side stands under the gateway's own rule (wanted, permitted by a live lease, proven, not
    stopped) at its start, and a stop ends it like any other answer. No row is written, so no
    answer counts in a rollout; its id takes feedback all the same.
    """

    def __init__(
        self,
        *,
        gateway: Gateway,
        public_name: str,
        candidate: Target | None,
        asked: AskedAnswer,
        text: str,
        by: str,
    ) -> None:
        """``text`` is what the person wrote, ``by`` the account.

        Raises:
            ModelNotFound: no such deployment is routed.
            NotPermitted: there is neither a stable version nor a candidate to ask.
        """
        self._gateway, self._asked, self._text, self._by = gateway, asked, text, by
        self._route: DeploymentRoute = find_route(gateway, public_name)
        self._targets: dict[Arm, Target] = {}
        stable = self._route.stable
        if stable is not None and not stable.is_base:
            self._targets[Arm.STABLE] = stable
        if candidate is not None and not (stable and stable.digest == candidate.digest):
            self._targets[Arm.CANARY] = candidate
        if not self._targets:
            raise NotPermitted(
                f"No approved version can be asked as {public_name}.",
                fix="It answers when a version is approved and rolled out.",
            )

    async def events(self) -> AsyncIterator[Event]:
        """``begun``, ``text`` … and ``ended`` or ``failed`` of each side, as they come.

        Who stops reading ends both: their nodes are hung up on at once.
        """
        said: asyncio.Queue[Event | None] = asyncio.Queue()
        tasks = [
            asyncio.create_task(self._ask(arm, target, said))
            for arm, target in self._targets.items()
        ]
        try:
            left = len(tasks)
            while left:
                event = await said.get()
                if event is None:
                    left -= 1
                else:
                    yield event
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in tasks:
            task.result()

    async def _ask(self, arm: Arm, target: Target, said: asyncio.Queue[Event | None]) -> None:
        side = self._side(arm, target)
        try:
            await self._answer(side, said)
        except AttemptFailed as failed:
            said.put_nowait(_failed(arm, failed.error))
        except DomainError as error:
            said.put_nowait(_failed(arm, error))
        finally:
            side.attempt.close()
            said.put_nowait(None)

    async def _answer(self, side: Side, said: asyncio.Queue[Event | None]) -> None:
        standing = self._gateway.snapshots.standing(self._route, side.target)
        if standing is not Standing.ROUTABLE:
            raise refusal_of(
                standing,
                public_name=side.target.name,
                retry_after_seconds=self._gateway.limits.retry_after_seconds,
            )
        await side.attempt.open()
        said.put_nowait(
            {
                "type": "begun",
                "side": str(side.arm),
                "version": side.target.name,
                "answer_id": side.answer_id,
                "node": side.attempt.node_name,
                "first_token_ms": side.attempt.first_token_ms,
            }
        )
        texts: list[str] = []
        while True:
            events = await side.attempt.read()
            if text := "".join(event.text for event in events):
                texts.append(text)
                said.put_nowait({"type": "text", "side": str(side.arm), "text": text})
            if events[-1].finish is not None:
                said.put_nowait(self._ended(side, "".join(texts), events[-1]))
                return

    def _ended(self, side: Side, answer: str, last: NodeEvent) -> Event:
        attempt, tokens = side.attempt, side.attempt.usage.completion_tokens
        finish = str(last.finish)
        after_first = attempt.duration_ms - (attempt.first_token_ms or 0)
        failure = judge(self._route.contract, text=answer, finish=finish, completion_tokens=tokens)
        return {
            "type": "ended",
            "side": str(side.arm),
            "finish": finish,
            "tokens": tokens,
            "duration_ms": attempt.duration_ms,
            # The first token's wait is told apart; the rate is that of the tokens after it.
            "tokens_per_second": (
                round(1000 * (tokens - 1) / after_first, 1) if tokens > 1 and after_first else None
            ),
            "failure": str(failure),
            "seal": seal(answer_id=side.answer_id, prompt=self._text, answer=answer, by=self._by),
        }

    def _side(self, arm: Arm, target: Target) -> Side:
        limit = self._asked.max_tokens
        if self._route.contract is not None:
            limit = self._route.contract.cap(limit)
        asked: Mapping[str, Any] = {
            "messages": self._asked.messages,
            "max_tokens": limit,
            "temperature": self._asked.temperature,
            "top_p": self._asked.top_p,
            "stop": self._asked.stop,
            "seed": self._asked.seed,
        }
        return Side(
            route=self._route,
            target=target,
            attempt=Attempt(
                nodes=self._gateway.nodes,
                limits=self._gateway.limits,
                target=target,
                upstreams=self._gateway.snapshots.current.upstreams.get(target.key, ()),
                body=request_body(target.node_name, asked),
                public_name=target.name,
            ),
            arm=arm,
            rollout_pk=0,
            stage=0,
            unit_hash=b"",
            token_name="",
            nonce=secrets.token_bytes(answer_ids.NONCE_BYTES),
        )


def _failed(arm: Arm, error: DomainError) -> Event:
    return {
        "type": "failed",
        "side": str(arm),
        "code": error.code,
        "message": error.message,
        "fix": error.fix,
    }
