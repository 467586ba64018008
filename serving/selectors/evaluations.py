"""Which evaluation runs can go on, and where."""

from django.db.models import Q

from compliance.models import EvaluationRun
from compliance.services.evaluations import silent_since
from compliance.states import RunState
from serving.models import Node
from serving.selectors.deployments import proven_replicas


def ready_node(run: EvaluationRun) -> Node | None:
    """A node that has proven the run's version; the one that began it, if that is among them."""
    nodes = [row.node for row in proven_replicas(run.version_id)]
    same = [node for node in nodes if node.name == run.node_name]
    return min(same or nodes, key=lambda node: node.pk, default=None)


def runs_to_take_up() -> list[int]:
    """Runs that wait, or whose worker went silent, and that a node could answer now."""
    rows = EvaluationRun.objects.filter(
        Q(state=RunState.WAITING) | Q(state=RunState.RUNNING, heartbeat_at__lt=silent_since())
    )
    return [run.pk for run in rows.order_by("pk") if ready_node(run) is not None]


def waiting_runs_of(version_id: int) -> list[int]:
    """Runs of a version that nobody has taken up."""
    rows = EvaluationRun.objects.filter(version_id=version_id, state=RunState.WAITING)
    return list(rows.order_by("pk").values_list("pk", flat=True))
