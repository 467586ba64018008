"""One version asked for one answer, over the nodes that have proven it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from config.core.errors import DomainError
from serving.domain.openai_answers import Usage
from serving.domain.openai_api import RequestRefused
from serving.domain.routing import Target, Upstream
from serving.gateway.errors import AnswerLost, NoReplica, PromptTooLong, VersionStopped
from serving.gateway.limits import Limits
from serving.gateway.node_client import (
    NodeClient,
    NodeEvent,
    NodeRefused,
    NodeStream,
    NodeUnreachable,
    StreamFailed,
    StreamLate,
    StreamStopped,
)
from serving.states import FailureKind

# Codes with which a node says that it does not hold the version after all: another one may.
_ASK_ANOTHER = frozenset({"replica_unknown", "no_lease"})


class AttemptFailed(Exception):
    """The version gave no answer that may be used."""

    def __init__(self, failure: FailureKind, error: DomainError) -> None:
        super().__init__(failure)
        self.failure = failure
        self.error = error


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """A finished answer."""

    text: str
    finish: str


class Attempt:
    """``open`` waits for the first visible text; then ``read`` until an event has a finish."""

    def __init__(
        self,
        *,
        nodes: NodeClient,
        limits: Limits,
        target: Target,
        upstreams: Sequence[Upstream],
        body: bytes,
        public_name: str,
    ) -> None:
        self.target = target
        self.usage = Usage()
        self.node_name = ""
        self.began_at_seconds = time.monotonic()
        self.first_token_at_seconds: float | None = None
        self._nodes = nodes
        self._limits = limits
        self._upstreams = upstreams
        self._body = body
        self._public_name = public_name
        self._stream: NodeStream | None = None
        self._ready: list[NodeEvent] = []

    async def open(self) -> None:
        """Ask node after node until one gives the first visible text, or the finish.

        Raises:
            AttemptFailed: none did, or the version was stopped.
            RequestRefused, PromptTooLong: the request can't be answered by any version.
        """
        failed: StreamFailed | None = None
        waiting = self._nodes.order(self._upstreams)
        if len(waiting) == 1:
            # A pooled connection may just have been closed by the other side: ask once more.
            waiting = waiting * 2
        for upstream in waiting:
            self._stream = self._nodes.stream(upstream, self.target.digest)
            self.node_name = upstream.node
            try:
                await self._stream.open(self._body, seconds=self._limits.first_token_seconds)
                await self._await_text(self._stream)
                return
            except StreamFailed as error:
                self.close()
                failed = error
                if isinstance(error, NodeUnreachable):
                    self._nodes.shun(upstream)
                elif not (isinstance(error, NodeRefused) and error.code in _ASK_ANOTHER):
                    break
        raise self._failure(failed) from failed

    async def read(self) -> list[NodeEvent]:
        """The next events, at least one.

        Raises:
            AttemptFailed: the stream was cut, came too late, or the version was stopped.
        """
        if self._ready:
            ready, self._ready = self._ready, []
            return ready
        assert self._stream is not None, "open() first"
        try:
            events = await self._stream.read(seconds=self._limits.token_gap_seconds)
        except StreamFailed as error:
            self.close()
            raise self._failure(error) from error
        self._note(events)
        return events

    async def whole(self) -> WholeAnswer:
        """Open, and read to the end.

        Raises:
            AttemptFailed, RequestRefused, PromptTooLong: as ``open`` and ``read``.
        """
        await self.open()
        texts = []
        while True:
            for event in await self.read():
                texts.append(event.text)
                if event.finish is not None:
                    return WholeAnswer("".join(texts), event.finish)

    def close(self) -> None:
        """Hang up if the answer has not ended."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    @property
    def first_token_ms(self) -> int | None:
        """Milliseconds from the start to the first visible text."""
        if self.first_token_at_seconds is None:
            return None
        return round(1000 * (self.first_token_at_seconds - self.began_at_seconds))

    @property
    def duration_ms(self) -> int:
        """Milliseconds from the start to now."""
        return round(1000 * (time.monotonic() - self.began_at_seconds))

    async def _await_text(self, stream: NodeStream) -> None:
        events: list[NodeEvent] = []
        while not any(event.text or event.finish for event in events):
            events += await stream.read(seconds=self._limits.first_token_seconds)
            self._note(events)
        self.first_token_at_seconds = time.monotonic()
        self._ready = events

    def _note(self, events: Sequence[NodeEvent]) -> None:
        last = events[-1]
        if last.finish is not None:
            self.usage = last.usage or self.usage
            if self._stream is not None:
                self._stream.release()

    def _failure(self, failed: StreamFailed | None) -> AttemptFailed:
        name, retry = self._public_name, self._limits.retry_after_seconds
        if isinstance(failed, StreamStopped) or (
            isinstance(failed, NodeRefused) and failed.code == "stopped"
        ):
            return AttemptFailed(
                FailureKind.STOPPED,
                VersionStopped(
                    f"The version behind {name} has been stopped everywhere.",
                    fix="Ask the people who run this deployment.",
                ),
            )
        if isinstance(failed, NodeRefused) and failed.code == "prompt_too_long":
            raise PromptTooLong(
                f"The prompt and the answer do not fit the context of {name}.",
                fix="Send a shorter prompt, or ask for fewer tokens.",
            )
        if isinstance(failed, NodeRefused) and failed.status in (400, 413):
            raise RequestRefused(f"{name} can't take this request: {failed.detail[:200]}.")
        if failed is None or isinstance(failed, NodeUnreachable | NodeRefused):
            return AttemptFailed(
                FailureKind.ERROR,
                NoReplica(
                    f"No node gives an answer for {name} now.",
                    fix="Try again in a few seconds.",
                    retry_after_seconds=retry,
                ),
            )
        is_late = isinstance(failed, StreamLate)
        return AttemptFailed(
            FailureKind.TIMEOUT if is_late else FailureKind.ERROR,
            AnswerLost(
                f"The answer of {name} {'took too long' if is_late else 'broke off'}.",
                fix="Ask again.",
                retry_after_seconds=retry,
            ),
        )
