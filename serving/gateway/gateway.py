"""The parts of the data plane, started and stopped together."""

import asyncio

from serving.gateway.access import AccessControl
from serving.gateway.limits import Limits
from serving.gateway.node_client import NodeClient
from serving.gateway.rows import RowWriter
from serving.gateway.snapshots import SnapshotKeeper
from serving.gateway.threads import DatabaseThreads

# Under this key of a request's ASGI scope Django finds the data plane of its own process.
SCOPE_KEY = "formulary.gateway"


class Gateway:
    """One process's data plane: snapshot, connections to nodes, the writer of answer rows."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.nodes = NodeClient(self.limits)
        # Apart, so that no request can hold up the reading of stops.
        self.routing_threads = DatabaseThreads("routing", count=1)
        self.request_threads = DatabaseThreads("requests", count=4)
        self.snapshots = SnapshotKeeper(self.limits, self.nodes, self.routing_threads)
        self.access = AccessControl(self.limits, self.snapshots, self.request_threads)
        self.rows = RowWriter(self.limits)

    async def start(self) -> None:
        """Read the first snapshot; without a database it goes on trying, and refuses till then."""
        await self.nodes.start()
        self.rows.start()
        await self.snapshots.start()

    async def stop(self) -> None:
        """End the background work; queued rows are written first."""
        await self.snapshots.stop()
        await asyncio.to_thread(self.rows.stop)
        await self.nodes.close()
        self.routing_threads.close()
        self.request_threads.close()
