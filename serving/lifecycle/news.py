"""What has happened since it was last looked, told in the medical system's events.

The audit trail is the one source: what this process did is in it as much as what others did.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from compliance.models import AuditEvent
from config.core import clock
from registry.models import BaseModel
from serving.domain.health import Status
from serving.health.measuring import measure
from serving.lifecycle import lookups
from serving.lifecycle.enums import EventType
from serving.models import Deployment, Replica, Rollout
from serving.selectors.deployments import fault_of, proven_on
from serving.states import ROLLBACK

News = tuple[EventType, dict[str, Any]]
# Events get their moment when they are written and are seen when they commit: each look goes so
# far behind the one before it.
LOOK_BACK = timedelta(seconds=60)


class Trail:
    """Reads the trail from the moment of its making on; each event is told once."""

    def __init__(self, base: BaseModel) -> None:
        self._base = base
        self._looked_at = clock.now()
        self._seen = {row.pk for row in self._recent()}

    def look(self) -> list[News]:
        """What is new, in order; a look that fails is made up for by the next one."""
        now, recent = clock.now(), self._recent()
        new = [row for row in recent if row.pk not in self._seen]
        told = [news for row in new if (news := self._told(row)) is not None]
        self._looked_at, self._seen = now, {row.pk for row in recent}
        return told

    def _recent(self) -> list[AuditEvent]:
        since = self._looked_at - LOOK_BACK
        rows = AuditEvent.objects.filter(action__in=list(_TOLD), at__gte=since)
        return list(rows.order_by("pk"))

    def _told(self, row: AuditEvent) -> News | None:
        kind, tell = _TOLD[row.action]
        data = tell(UUID(row.object_id), self._base)
        return None if data is None else (kind, {**data, "at": row.at.isoformat()})


class Health:
    """Notices what begins to fail; it is told again only after it was well in between."""

    def __init__(self, base: BaseModel) -> None:
        self._base = base
        self._failing: set[str] = set()

    def look(self) -> list[News]:
        """Adapters that nobody can be answered with, and parts of the house that are away."""
        found = {**dict(self._adapters()), **dict(_parts())}
        new = [news for key, news in found.items() if key not in self._failing]
        self._failing = set(found)
        return new

    def _adapters(self) -> Iterable[tuple[str, News]]:
        rows = Deployment.objects.filter(
            base_model=self._base, is_enabled=True, stable_revision__version__isnull=False
        ).select_related("stable_revision__version__adapter", "stable_revision__deployment")
        for row in rows.order_by("pk"):
            revision = row.stable_revision
            if revision is None or revision.version is None:
                continue
            why = fault_of(revision) or ("" if proven_on(revision) else "no node has proven it")
            if why:
                yield (
                    f"deployment {row.pk} {revision.digest}",
                    (
                        EventType.HEALTH_CHECK_FAILED,
                        {
                            "adapter_id": lookups.id_of(revision.version.adapter),
                            "version_id": revision.version.version_name,
                            "deployment": row.public_name,
                            "reason": why,
                            "at": clock.now().isoformat(),
                        },
                    ),
                )


def _parts() -> Iterable[tuple[str, News]]:
    for name, part in measure().components.items():
        if part.status is Status.UNHEALTHY:
            data = {"component": name, "detail": part.detail, "at": clock.now().isoformat()}
            yield f"part {name}", (EventType.SYSTEM_ERROR, data)


def _of_replica(uuid: UUID, base: BaseModel) -> dict[str, Any] | None:
    rows = Replica.objects.filter(uuid=uuid, version__adapter__base_model=base)
    row = rows.select_related("node", "version__adapter").first()
    if row is None:
        return None
    return {
        "adapter_id": lookups.id_of(row.version.adapter),
        "version_id": row.version.version_name,
        "node": row.node.name,
    }


def _rollout(uuid: UUID, base: BaseModel) -> Rollout | None:
    rows = Rollout.objects.filter(uuid=uuid, deployment__base_model=base)
    return rows.select_related(
        "deployment", "from_revision__version__adapter", "to_revision__version__adapter"
    ).first()


def _of_swap(uuid: UUID, base: BaseModel) -> dict[str, Any] | None:
    row = _rollout(uuid, base)
    if row is None or row.from_revision is None:
        return None  # a first version replaces nothing: that it is loaded is told
    return {
        "swap_id": str(uuid),
        "from_adapter": lookups.name_of(row.from_revision.version),
        "to_adapter": lookups.name_of(row.to_revision.version),
        "deployment": row.deployment.public_name,
        "strategy": row.strategy,
    }


def _of_rollback(uuid: UUID, base: BaseModel) -> dict[str, Any] | None:
    row = _rollout(uuid, base)
    if row is None:
        return None
    is_back = row.strategy == ROLLBACK
    left = row.from_revision if is_back else row.to_revision
    version = left.version if left is not None else None
    return {
        "rollback_id": str(uuid),
        "adapter_id": lookups.id_of(version.adapter) if version is not None else None,
        "version_id": version.version_name if version is not None else None,
        "deployment": row.deployment.public_name,
        "trigger": row.trigger,
        "reason": row.reason,
    }


Tell = Callable[[UUID, BaseModel], dict[str, Any] | None]
_TOLD: Mapping[str, tuple[EventType, Tell]] = {
    "replica.ready": (EventType.ADAPTER_LOADED, _of_replica),
    "replica.unloaded": (EventType.ADAPTER_UNLOADED, _of_replica),
    "rollout.started": (EventType.SWAP_STARTED, _of_swap),
    "rollout.promoted": (EventType.SWAP_COMPLETED, _of_swap),
    "rollout.rolled_back": (EventType.ROLLBACK_EXECUTED, _of_rollback),
    "rollout.aborted": (EventType.ROLLBACK_EXECUTED, _of_rollback),
    "rollback.finished": (EventType.ROLLBACK_EXECUTED, _of_rollback),
}
