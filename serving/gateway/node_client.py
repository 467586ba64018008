"""Asks nodes for answers: one HTTP session, streams of events, who is busy and who is away."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp

from serving.domain.openai_answers import Usage
from serving.domain.routing import Upstream
from serving.gateway.limits import Limits

Result = TypeVar("Result")
_MAX_PROBLEM_BYTES = 16_384
_DRAIN_SECONDS = 1.0


class StreamFailed(Exception):
    """The node's stream can't go on; a subclass says why."""


class NodeUnreachable(StreamFailed):
    """No connection, or it broke before the node answered."""


class NodeRefused(StreamFailed):
    """The node answered with a problem before the first token."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail


class StreamCut(StreamFailed):
    """The stream ended without a finish, or held what no node of ours sends."""


class StreamLate(StreamFailed):
    """The node took longer than it may."""


class StreamStopped(StreamFailed):
    """The version was stopped while it answered."""


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """Some text of an answer; the last one has ``finish`` and ``usage``."""

    text: str
    finish: str | None
    usage: Usage | None


class NodeStream:
    """One answer of one node: ``open`` it, ``read`` until a finish, ``close`` it."""

    def __init__(self, client: "NodeClient", upstream: Upstream, digest: str) -> None:
        self.upstream = upstream
        self.digest = digest
        self.is_stopped = False
        self._client = client
        self._response: aiohttp.ClientResponse | None = None
        self._deadline: asyncio.Timeout | None = None
        self._rest = b""

    async def open(self, body: bytes, *, seconds: float) -> None:
        """Send the request and wait for the node's first line.

        Raises:
            StreamFailed: one of its subclasses.
        """
        self._client.began(self)
        try:
            self._response = await self._bounded(
                self._client.session.post(
                    f"{self.upstream.url}/node/v1/generate",
                    data=body,
                    headers={
                        "Authorization": f"Bearer {self.upstream.secret}",
                        "Content-Type": "application/json",
                    },
                    allow_redirects=False,
                ),
                seconds,
            )
        except aiohttp.ClientError as error:
            raise NodeUnreachable(self.upstream.node) from error
        if self._response.status != 200:
            raise await self._refusal(self._response)

    async def read(self, *, seconds: float) -> list[NodeEvent]:
        """The events that have come, at least one.

        Raises:
            StreamFailed: one of its subclasses.
        """
        if self._response is None:
            raise StreamCut("the stream is not open")
        while True:
            try:
                data = await self._bounded(self._response.content.readany(), seconds)
            except aiohttp.ClientError as error:
                raise StreamCut(self.upstream.node) from error
            if not data:
                raise StreamCut("the node ended the stream without a finish")
            *blocks, self._rest = (self._rest + data).split(b"\n\n")
            if blocks:
                return [self._event(block) for block in blocks]

    def stop(self) -> None:
        """End it: the version was stopped. Whoever waits in ``read`` gets ``StreamStopped``."""
        self.is_stopped = True
        if self._deadline is not None:
            self._deadline.reschedule(asyncio.get_running_loop().time())

    def close(self) -> None:
        """Hang up where the node still sends, so that it frees what the answer holds."""
        self._client.ended(self)
        if self._response is not None:
            self._response.close()
            self._response = None

    def release(self) -> None:
        """Give the connection back after the last event, once the node has closed its body."""
        self._client.ended(self)
        if self._response is not None:
            self._client.drain(self._response)
            self._response = None

    async def _bounded(self, waiting: Awaitable[Result], seconds: float) -> Result:
        try:
            async with asyncio.timeout(0 if self.is_stopped else seconds) as self._deadline:
                try:
                    return await waiting
                except TimeoutError as error:
                    # aiohttp's own: the connection could not be made in time.
                    raise NodeUnreachable(self.upstream.node) from error
        except TimeoutError as error:
            if self.is_stopped:
                raise StreamStopped(self.digest) from error
            raise StreamLate(self.upstream.node) from error
        finally:
            self._deadline = None

    async def _refusal(self, response: aiohttp.ClientResponse) -> NodeRefused:
        code, detail = "", ""
        try:
            problem = json.loads(await response.content.read(_MAX_PROBLEM_BYTES))
            code, detail = str(problem["code"]), str(problem["detail"])
        except (aiohttp.ClientError, ValueError, KeyError, TypeError):
            code = "unreadable"
        return NodeRefused(response.status, code, detail)

    def _event(self, block: bytes) -> NodeEvent:
        try:
            data = json.loads(block.removeprefix(b"data: "))
            text, finish, digest = data["text"], data["finish"], data["digest"]
            usage = data.get("usage")
            counts = usage and Usage(usage["prompt_tokens"] or 0, usage["completion_tokens"] or 0)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StreamCut("the node sent something that is not an event") from error
        if finish == "stopped" or self.is_stopped:
            raise StreamStopped(self.digest)
        if digest != self.digest:
            raise StreamCut("the node answered with another version")
        if finish not in (None, "stop", "length"):
            raise StreamCut("the node could not finish the answer")
        return NodeEvent(text, finish, counts)


class NodeClient:
    """The HTTP session to all nodes, and what is known of their load."""

    session: aiohttp.ClientSession

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: set[NodeStream] = set()
        self._draining: set[asyncio.Task[None]] = set()
        self._outstanding: Counter[str] = Counter()
        self._shunned_until: dict[str, float] = {}

    async def start(self) -> None:
        """Open the session, on the running loop."""
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=self._limits.node_keepalive_seconds
            ),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=self._limits.connect_seconds, sock_read=None
            ),
            auto_decompress=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Hang up everywhere."""
        for task in self._draining:
            task.cancel()
        await self.session.close()

    def stream(self, upstream: Upstream, digest: str) -> NodeStream:
        """A stream of answers of ``digest`` from ``upstream``, not open yet."""
        return NodeStream(self, upstream, digest)

    def order(self, upstreams: Sequence[Upstream]) -> list[Upstream]:
        """Whom to ask first: those that could be reached, the least busy, else by chance."""
        now = time.monotonic()
        return sorted(
            upstreams,
            key=lambda upstream: (
                self._shunned_until.get(upstream.node, 0.0) > now,
                self._outstanding[upstream.node],
                random.random(),  # noqa: S311 - spreads load, guards nothing
            ),
        )

    def shun(self, upstream: Upstream) -> None:
        """Ask this node last for a while: it could not be reached."""
        self._shunned_until[upstream.node] = time.monotonic() + self._limits.shun_seconds

    def stop(self, digests: Collection[str]) -> None:
        """End every open stream of these digests."""
        for stream in [stream for stream in self._open if stream.digest in digests]:
            stream.stop()

    def drain(self, response: aiohttp.ClientResponse) -> None:
        """Read the end of a body beside the answer: only then can the connection be used again."""
        if response.content.at_eof():
            response.release()
            return
        task = asyncio.create_task(self._drain(response))
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    async def _drain(self, response: aiohttp.ClientResponse) -> None:
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                rest = await response.content.readany()
        except (aiohttp.ClientError, TimeoutError):
            rest = b"?"
        # Closing is also right for a node that sends on after its finish.
        if rest:
            response.close()
        else:
            response.release()

    def began(self, stream: NodeStream) -> None:
        """Count a stream as open."""
        self._open.add(stream)
        self._outstanding[stream.upstream.node] += 1

    def ended(self, stream: NodeStream) -> None:
        """Count a stream as ended, once."""
        if stream in self._open:
            self._open.discard(stream)
            self._outstanding[stream.upstream.node] -= 1


def request_body(name: str, request: Mapping[str, Any]) -> bytes:
    """The body of ``POST /node/v1/generate`` for serving ``name``."""
    return json.dumps({"name": name, "purpose": "serve", **request}).encode()
