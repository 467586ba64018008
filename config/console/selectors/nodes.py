"""What is where: each node with its slots and memory, and the matrix of versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from config.console import words
from config.core import clock
from registry.models import Version
from serving.models import Node, Replica
from serving.selectors.nodes import SEEN_LATELY, is_seen, listed_on, slots_of
from serving.states import ReplicaState

UNWANTED = (ReplicaState.UNLOADING, ReplicaState.UNLOADED)


@dataclass(frozen=True)
class Cell:
    """A version on a node: what is wanted, and what the node was last seen to hold."""

    word: words.Word
    refs: int = 0
    error: str = ""
    replica: Replica | None = None


@dataclass(frozen=True)
class Row:
    """A version (or a name that nobody wants) with a cell for each node, empty where it is not."""

    name: str
    version: Version | None
    cells: list[Cell | None]


@dataclass
class NodeCard:
    """A node as last seen; ``memory_share``: its memory against that of the largest node."""

    node: Node
    is_seen: bool
    slots: int
    taken: int
    memory_bytes: int
    memory_share: float
    zombies: list[str] = field(default_factory=list)

    @property
    def slot_share(self) -> float:
        """The taken part of its slots."""
        return self.taken / self.slots if self.slots else 0.0


@dataclass
class NodesPage:
    """The page's facts."""

    cards: list[NodeCard]
    rows: list[Row]
    sentence: str


def node_list(query: Mapping[str, str]) -> QuerySet[Node]:
    """Nodes that the filters in the address ask for."""
    rows = Node.objects.select_related("base_model")
    if text := query.get("q", "").strip():
        rows = rows.filter(Q(name__icontains=text) | Q(base_model__slug__icontains=text))
    return rows


def nodes_page(found: Sequence[Node]) -> NodesPage:
    """What these nodes hold, and a sentence about all, in a fixed number of queries."""
    nodes = sorted(found, key=lambda node: node.name)
    replicas = list(
        Replica.objects.filter(node__in=nodes)
        .select_related("version__adapter", "node")
        .exclude(state=ReplicaState.UNLOADED)
    )
    wanted = {(row.node_id, row.digest): row for row in replicas if row.state not in UNWANTED}
    cards = [_card(node, wanted) for node in nodes]
    most = max((card.memory_bytes for card in cards), default=0)
    for card in cards:
        card.memory_share = card.memory_bytes / most if most else 0.0
    return NodesPage(cards, _matrix(nodes, replicas), _sentence())


def _sentence() -> str:
    """About all nodes, however many of them the page shows."""
    of_all = Node.objects.aggregate(
        all=Count("pk"), seen=Count("pk", filter=Q(last_seen_at__gt=clock.now() - SEEN_LATELY))
    )
    count, seen = of_all["all"], of_all["seen"]
    if not count:
        return _("No node is registered.")
    states = Replica.objects.aggregate(
        ready=Count("pk", filter=Q(state=ReplicaState.READY)),
        failed=Count("pk", filter=Q(state=ReplicaState.FAILED)),
    )
    ready, failed = words.counted(states["ready"], "version"), states["failed"]
    answer = "answers" if count == 1 else "answer"
    said = _("%(value)s of %(count)s %(answer)s, with %(ready)s proven and ready") % {
        "value": "All" if seen == count and seen > 1 else seen,
        "count": words.counted(count, "node"),
        "answer": answer,
        "ready": ready,
    }
    if seen == count == 1:
        said = _("The node answers, with %(ready)s proven and ready") % {"ready": ready}
    return f"{said}; {words.counted(failed, 'load', 'loads')} failed." if failed else f"{said}."


def _card(node: Node, wanted: dict[tuple[int, str], Replica]) -> NodeCard:
    listed = listed_on(node)
    zombies = [
        name for name, entry in listed.items() if (node.pk, str(entry.get("digest"))) not in wanted
    ]
    return NodeCard(
        node=node,
        is_seen=is_seen(node),
        slots=slots_of(node),
        taken=len(listed),
        memory_bytes=int(node.status.get("memory_bytes") or 0),
        memory_share=0.0,
        zombies=zombies,
    )


def _matrix(nodes: Sequence[Node], replicas: Sequence[Replica]) -> list[Row]:
    versions: dict[str, tuple[str, Version | None]] = {}
    cells: dict[tuple[str, int], Cell] = {}
    for row in replicas:
        versions[row.digest] = (str(row.version), row.version)
        cells[row.digest, row.node_id] = _cell(row)
    for node in nodes:
        for name, entry in listed_on(node).items():
            digest = str(entry.get("digest"))
            versions.setdefault(digest, (name, None))
            if (digest, node.pk) not in cells:
                refs = int(entry.get("refs") or 0)
                cells[digest, node.pk] = Cell(
                    words.Word(_("loaded, not wanted"), "help", "warn"), refs
                )
    return [
        Row(name, version, [cells.get((digest, node.pk)) for node in nodes])
        for digest, (name, version) in sorted(versions.items(), key=lambda item: item[1][0])
    ]


def _cell(row: Replica) -> Cell:
    entry: dict[str, Any] = next(
        (found for found in listed_on(row.node).values() if found.get("digest") == row.digest),
        {},
    )
    word = words.word("replica", row.state)
    if row.state == ReplicaState.READY:
        if row.proven_boot_id != row.node.boot_id:
            word = words.Word(_("must be proven anew"), "restart_alt", "warn")
        elif not entry:
            word = words.Word(_("wanted, not seen"), "visibility_off", "bad")
    return Cell(word, int(entry.get("refs") or 0), row.error, row)
