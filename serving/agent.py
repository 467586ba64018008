"""The worker beside a node: fetches bytes by digest, loads, proves, reports. No database.

Tasks of the queue ``node.<name>``. They take a work order from our API with a token that speaks
for one node; the order is claimed there, so that a task which comes twice does its work once.
"""

from celery import shared_task

from config.core.errors import DomainError
from serving.agent_work import AgentSettings, OrderGone, Worker

LOAD_LIMIT_SECONDS = 900


@shared_task(
    name="serving.agent.load_replica",
    time_limit=LOAD_LIMIT_SECONDS,
    autoretry_for=(),
    ignore_result=True,
)
def load_replica(replica_uuid: str) -> str:
    """Load and prove what the replica's order names; how it went, in a word."""
    with Worker(AgentSettings.from_environment()) as worker:
        try:
            return worker.load(replica_uuid)
        except OrderGone:
            return "gone"
        except DomainError as error:
            worker.log_failure(replica_uuid, error)
            return "failed"


@shared_task(name="serving.agent.unload_replica", time_limit=120, ignore_result=True)
def unload_replica(replica_uuid: str) -> str:
    """Unload what the replica's order names; how it went, in a word."""
    with Worker(AgentSettings.from_environment()) as worker:
        try:
            return worker.unload(replica_uuid)
        except OrderGone:
            return "gone"
        except DomainError as error:
            worker.log_failure(replica_uuid, error)
            return "failed"
