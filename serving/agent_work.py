"""What an agent does with a work order; HTTP to our API and to its node, files on its disk."""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import structlog

from config.core.errors import DomainError, Unavailable
from config.core.failpoints import failpoint
from config.core.heartbeats import beating
from config.core.tls import trusted
from serving.agent_cache import package_folder
from serving.domain import preflight
from serving.domain.probes import Probe, disagreement
from serving.errors import NodeRefused
from serving.node_calls import NodeCalls

log = structlog.get_logger("agent")
API_SECONDS = 30.0


class OrderGone(Exception):
    """There is nothing (more) to do for this order: it changed, or somebody else has it."""


class ApiAway(Unavailable):
    """Our API does not answer, or refuses this agent."""

    code = "api-away"
    title = "The API does not answer"


class NotProven(DomainError):
    """The version is loaded and does not answer as it must."""

    code = "not-proven"
    title = "The version is not proven"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """Where the API and the node are, and with what the agent speaks to them."""

    api_url: str
    api_token: str
    node_url: str
    node_secret: str
    cache_root: Path

    @classmethod
    def from_environment(cls) -> Self:
        """From ``FORMULARY_*``; token and secret may lie in files, named by ``…_FILE``."""
        return cls(
            api_url=os.environ["FORMULARY_URL"].rstrip("/"),
            api_token=_secret("FORMULARY_AGENT_TOKEN"),
            node_url=os.environ["FORMULARY_NODE_URL"],
            node_secret=_secret("FORMULARY_NODE_SECRET"),
            cache_root=Path(os.environ.get("FORMULARY_HOME", "var")).resolve() / "nodes",
        )


def _secret(name: str) -> str:
    file = os.environ.get(f"{name}_FILE")
    return Path(file).read_text().strip() if file else os.environ[name]


class Worker:
    """One order at a time for one node."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._api = httpx.Client(
            base_url=f"{settings.api_url}/api/v1/",
            headers={"Authorization": f"Bearer {settings.api_token}"},
            timeout=httpx.Timeout(API_SECONDS, connect=3.0),
            verify=trusted(),
            trust_env=False,
        )
        self._node = NodeCalls(name="the node", url=settings.node_url, secret=settings.node_secret)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._api.close()
        self._node.close()

    def load(self, replica_uuid: str) -> str:
        """Fetch, load, prove, report; ``ready``, or ``nothing`` where the order asks for nothing.

        Raises:
            OrderGone: the claim is somebody else's.
            DomainError: it failed; the API has been told where it could be.
        """
        order = self._order(replica_uuid)
        if order["action"] != "load":
            return "nothing"
        boot_id = str(self._node.status()["boot_id"])
        claim = self._post(replica_uuid, "claim", {"boot_id": boot_id})["claim"]
        failpoint("agent.load.claimed")
        still_here = {"boot_id": boot_id, "claim": claim}
        try:
            with beating(lambda: self._post(replica_uuid, "claim", still_here)):
                proof = self._load_and_prove(order, replica_uuid, claim, boot_id)
        except DomainError as error:
            self._post(replica_uuid, "failed", {"claim": claim, "error": error.message[:500]})
            raise
        failpoint("agent.load.proven")
        self._post(replica_uuid, "ready", {"claim": claim, "boot_id": boot_id, **proof})
        log.info("replica.ready", replica=order["name"], digest=order["digest"])
        return "ready"

    def unload(self, replica_uuid: str) -> str:
        """Drop the version from the node and report; again when it was reported before.

        Raises:
            OrderGone: it is wanted again.
            DomainError: the node or the API did not answer.
        """
        order = self._order(replica_uuid)
        if order["action"] != "unload":
            return "nothing"
        self._node.delete_replica(order["name"])
        failpoint("agent.unload.on_node")
        self._post(replica_uuid, "unloaded", {})
        log.info("replica.unloaded", replica=order["name"], digest=order["digest"])
        return "unloaded"

    def log_failure(self, replica_uuid: str, error: DomainError) -> None:
        """A line for the log; the reconciler tries again."""
        log.warning("replica.order_failed", replica=replica_uuid, code=error.code)

    def _load_and_prove(
        self, order: Mapping[str, Any], replica_uuid: str, claim: int, boot_id: str
    ) -> dict[str, Any]:
        name, digest = str(order["name"]), str(order["digest"])
        folder = package_folder(
            self._settings.cache_root / str(order["node"]) / "cache",
            digest=digest,
            files=order["files"],
            fetch=self._fetch,
        )
        failpoint("agent.load.downloaded")
        status = self._node.status()
        preflight.check(folder, max_rank=int(status["max_rank"]))
        self._post(replica_uuid, "claim", {"boot_id": boot_id, "claim": claim})
        # The order's lease may have run low while bytes were fetched: ask for it again.
        lease = self._order(replica_uuid)["lease"]
        if lease is None:
            raise NotProven("The permission ended before the load.", fix="Drop it.")
        neighbour = order["neighbour"]
        neighbour_name = str(neighbour["name"]) if neighbour else "base"
        before = self._probe(order, neighbour_name, None)
        self._node.put_replica(
            name,
            digest=digest,
            path=str(folder),
            lease={key: lease[key] for key in ("purpose", "run", "ttl_seconds")},
        )
        failpoint("agent.load.on_node")
        self._post(replica_uuid, "claim", {"boot_id": boot_id, "claim": claim})
        return self._prove(order, lease, neighbour_name, before)

    def _prove(
        self,
        order: Mapping[str, Any],
        lease: Mapping[str, Any],
        neighbour_name: str,
        before: Probe | None,
    ) -> dict[str, Any]:
        name, digest = str(order["name"]), str(order["digest"])
        entries = {entry["name"]: entry for entry in self._node.status()["loaded"]}
        found = entries.get(name, {})
        if found.get("digest") != digest or found.get("state") != "loaded":
            raise NotProven(f"The node does not list {name} with its digest.", fix="Load again.")
        probe = self._probe(order, name, lease)
        if probe is None:
            raise NotProven(f"The node does not answer for {name} yet.", fix="Load again.")
        recorded = order["recorded_probe"]
        if recorded is not None and (why := disagreement(Probe.from_json(recorded), probe)):
            raise NotProven(
                f"The probe of {name} differs from its record: {why}.",
                fix="See whether the node's engine or base changed.",
            )
        after = self._probe(order, neighbour_name, None)
        if before is not None and after is not None and (why := disagreement(before, after)):
            raise NotProven(f"Loading {name} changed {neighbour_name}: {why}.", fix="Look at it.")
        proof: dict[str, Any] = {"digest": digest, "probe": probe.as_json()}
        if not order["is_base_probe_known"]:
            base = after if neighbour_name == "base" else self._probe(order, "base", None)
            proof["base_probe"] = base.as_json() if base else None
        return proof

    def _probe(
        self, order: Mapping[str, Any], name: str, lease: Mapping[str, Any] | None
    ) -> Probe | None:
        """The answers of ``name`` to the probe prompts; None where it may not answer now."""
        bodies = [
            {
                "name": name,
                "prompt": prompt,
                "max_tokens": order["probe_max_tokens"],
                "temperature": 0,
                "margins": True,
                "purpose": lease["purpose"] if lease else "serve",
                "run": lease["run"] if lease else None,
            }
            for prompt in order["probe_prompts"]
        ]
        try:
            # At once: they share the node's steps with each other and with the live answers.
            with ThreadPoolExecutor(max_workers=len(bodies)) as pool:
                answers = list(pool.map(self._node.generate, bodies))
        except NodeRefused as error:
            if lease is None and error.node_code in {"no_lease", "replica_unknown", "stopped"}:
                return None  # the neighbour left meanwhile: nothing to compare with
            raise
        return Probe(
            tokens=tuple(answer.token_ids for answer in answers),
            margins=tuple(answer.margins for answer in answers),
        )

    def _order(self, replica_uuid: str) -> dict[str, Any]:
        return self._call("GET", f"replicas/{replica_uuid}/work")

    def _post(self, replica_uuid: str, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._call("POST", f"replicas/{replica_uuid}/{what}", body)

    def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        try:
            response = self._api.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise ApiAway(f"The API does not answer: {type(error).__name__}.") from error
        if response.status_code in {404, 409}:
            raise OrderGone(path)
        if response.status_code >= 400:
            raise ApiAway(f"The API answered {response.status_code} to {path}.")
        found: dict[str, Any] = response.json() if response.content else {}
        return found

    @contextmanager
    def _fetch(self, sha256: str) -> Iterator[Iterator[bytes]]:
        try:
            with self._api.stream("GET", f"blobs/{sha256}") as response:
                if response.status_code != 200:
                    raise ApiAway(f"The API answered {response.status_code} for bytes.")
                yield response.iter_bytes(1 << 20)
        except httpx.HTTPError as error:
            raise ApiAway(f"Fetching bytes broke off: {type(error).__name__}.") from error
