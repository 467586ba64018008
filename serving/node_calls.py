"""Calls to a node's HTTP interface, blocking, with short timeouts; no database, no Django."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from config.core.tls import trusted
from serving.errors import NodeRefused, NodeUnreachable

CONNECT_SECONDS = 1.0
STATUS_SECONDS = 3.0
LOAD_SECONDS = 300.0
ANSWER_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class NodeAnswer:
    """A whole answer. ``margins`` as decimals in text, empty where the engine gives none."""

    text: str
    finish: str
    digest: str
    token_ids: tuple[int, ...]
    margins: tuple[str, ...]


class NodeCalls:
    """One node; usable from several threads at once."""

    def __init__(self, *, name: str, url: str, secret: str) -> None:
        self.name = name
        self._client = httpx.Client(
            base_url=f"{url.rstrip('/')}/node/v1/",
            headers={"Authorization": f"Bearer {secret}"},
            timeout=httpx.Timeout(STATUS_SECONDS, connect=CONNECT_SECONDS),
            verify=trusted(),
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def status(self) -> dict[str, Any]:
        """What the node says of itself.

        Raises:
            NodeUnreachable, NodeRefused: as every call here.
        """
        return self._call("GET", "status")

    def put_replica(
        self, name: str, *, digest: str, path: str, lease: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Load the package folder ``path`` of that node under ``name``."""
        body = {"digest": digest, "path": path, "lease": lease}
        return self._call("PUT", f"replicas/{name}", body, seconds=LOAD_SECONDS)

    def delete_replica(self, name: str) -> str:
        """Drop ``name``; ``unloaded``, ``unloading``, or ``unknown`` when it was not there."""
        try:
            return str(self._call("DELETE", f"replicas/{name}", seconds=30.0)["state"])
        except NodeRefused as error:
            if error.node_code == "replica_unknown":
                return "unknown"
            raise

    def put_leases(
        self, leases: Sequence[Mapping[str, Any]], *, counted_from_seconds: float | None = None
    ) -> None:
        """Replace all leases, counted from a moment of the node's own clock (``clock_seconds``)."""
        body = {"leases": list(leases), "counted_from_seconds": counted_from_seconds}
        self._call("PUT", "leases", body)

    def put_stops(self, *, epoch: int, digests: Sequence[str]) -> None:
        """Replace the stops."""
        self._call("PUT", "stops", {"epoch": epoch, "digests": list(digests)})

    def generate(self, body: Mapping[str, Any]) -> NodeAnswer:
        """A whole answer, read to its end.

        Raises:
            NodeRefused: a problem, or an answer that broke off.
            NodeUnreachable: the connection did.
        """
        texts: list[str] = []
        tokens: list[int] = []
        margins: list[str] = []
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        try:
            with self._client.stream("POST", "generate", json=body, timeout=timeout) as response:
                if response.status_code != 200:
                    response.read()
                    raise self._refusal(response)
                for line in response.iter_lines():
                    if not line.startswith("data: "):
                        continue
                    event = json.loads(line[6:])
                    finish = event.get("finish")
                    if event.get("token_id") is not None:
                        tokens.append(int(event["token_id"]))
                        margin = event.get("margin")
                        margins.append("" if margin is None else f"{margin:.6g}")
                    texts.append(str(event.get("text", "")))
                    if finish in {"stop", "length"}:
                        return NodeAnswer(
                            text="".join(texts),
                            finish=finish,
                            digest=str(event["digest"]),
                            token_ids=tuple(tokens),
                            margins=tuple(margins),
                        )
                    if finish is not None:
                        code = str(event.get("code") or finish)
                        raise NodeRefused(
                            f"{self.name} broke an answer off: {code}.", node_code=code
                        )
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise self._gone(error) from error
        raise NodeUnreachable(f"{self.name} ended an answer without a finish.", fix=_FIX)

    def _call(
        self, method: str, path: str, body: Any = None, *, seconds: float = STATUS_SECONDS
    ) -> dict[str, Any]:
        try:
            response = self._client.request(
                method,
                path,
                json=body,
                timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS),
            )
            if response.status_code != 200:
                raise self._refusal(response)
            found = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise self._gone(error) from error
        if not isinstance(found, dict):
            raise NodeUnreachable(f"{self.name} answers like no node of ours.", fix=_FIX)
        return found

    def _refusal(self, response: httpx.Response) -> NodeRefused:
        code, detail = f"http_{response.status_code}", ""
        try:
            problem = response.json()
            code, detail = str(problem["code"]), str(problem["detail"])[:300]
        except (ValueError, KeyError, TypeError):
            pass  # no problem document: the status has to do
        return NodeRefused(f"{self.name}: {detail or code}", node_code=code, fix=f"Code {code}.")

    def _gone(self, error: Exception) -> NodeUnreachable:
        return NodeUnreachable(f"{self.name} does not answer: {type(error).__name__}.", fix=_FIX)


_FIX = "See whether its process runs, and whether its address and secret are as registered."
