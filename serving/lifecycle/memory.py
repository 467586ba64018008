"""Room for adapters: limits that are asked before a load, and cleanup when somebody asks for it."""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Q

from config.accounts.roles import Act
from config.core import clock
from registry.models import BaseModel, Version
from registry.selectors import current_label
from serving.health.judging import rss_bytes
from serving.lifecycle.acting import Acting, in_thread
from serving.lifecycle.configuration import SystemConfiguration
from serving.lifecycle.enums import CacheStrategy
from serving.lifecycle.errors import LifecycleBusy
from serving.models import Answer, Deployment, Node
from serving.selectors.nodes import is_usable
from serving.services import reconciling, registrations
from serving.states import OPEN_ROLLOUT_STATES, Opening

_MEGABYTE = 1024**2
_LATELY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Cleanup:
    """What a cleanup did. ``nodes_mb`` is None where no node tells its memory.

    ``ended``: names that were unloaded; ``decisions``: what the nodes were told to do.
    """

    rss_mb: float
    nodes_mb: float | None
    ended: tuple[str, ...]
    decisions: int


class MemoryMonitor:
    """``lifecycle.manager.memory_monitor``."""

    def __init__(self, acting: Acting, base: BaseModel, config: SystemConfiguration) -> None:
        self._acting, self._base, self._config = acting, base, config

    async def cleanup_memory(self, aggressive: bool = False) -> Cleanup:
        """Take off the nodes what nothing needs any more.

        ``aggressive``: also end what this account has loaded, until one more fits into
        ``max_cache_size`` and ``max_memory_mb``: first what may hold PHI, then in the order of
        ``cache_strategy``. What people of the house deployed stays.

        Raises:
            Forbidden: no role of the account may deploy.
        """
        return await in_thread(self._clean, aggressive)

    def _clean(self, is_aggressive: bool) -> Cleanup:
        self._acting.require(Act.DEPLOY)
        ended = tuple(self._make_room()) if is_aggressive else ()
        decisions = reconciling.reconcile(base_model=self._base)
        gc.collect()
        return Cleanup(
            rss_mb=round(rss_bytes() / _MEGABYTE, 1),
            nodes_mb=nodes_mb(self._base),
            ended=ended,
            decisions=decisions,
        )

    def _make_room(self) -> list[str]:
        """Nodes tell their memory a moment later, so each name that goes counts as a slot's share.

        The share is the nodes' memory by the number of loaded versions.
        """
        loaded, used_mb = len(loaded_versions(self._base)), nodes_mb(self._base)
        share_mb = (used_mb or 0.0) / max(1, loaded)
        ended = []
        for row in self._in_order():
            is_full = loaded >= self._config.max_cache_size
            is_heavy = used_mb is not None and used_mb >= self._config.max_memory_mb
            if not is_full and not is_heavy:
                break
            registrations.unregister(name=row.public_name, **self._acting.by)
            ended.append(row.public_name)
            loaded -= 1
            used_mb = None if used_mb is None else used_mb - share_mb
        return ended

    def _in_order(self) -> list[Deployment]:
        rows = Deployment.objects.filter(
            base_model=self._base,
            is_enabled=True,
            opened_as=Opening.REGISTRATION,
            created_by=self._acting.user,
            stable_revision__version__isnull=False,
        ).select_related("stable_revision__version")
        use = _ORDERS[self._config.cache_strategy]
        return sorted(rows, key=lambda row: (not _may_hold_phi(row), use(row), row.pk))


class Manager:
    """``lifecycle.manager``."""

    def __init__(self, memory_monitor: MemoryMonitor) -> None:
        self.memory_monitor = memory_monitor


def require_room(base: BaseModel, config: SystemConfiguration, version: Version) -> None:
    """Refuse a load that the configuration has no room for.

    Raises:
        LifecycleBusy: naming the option.
    """
    loaded = loaded_versions(base)
    if version.pk in loaded:
        return
    if len(loaded) >= config.max_cache_size:
        raise LifecycleBusy(
            f"max_cache_size={config.max_cache_size}: {len(loaded)} versions are loaded.",
            fix="Unload one, or call manager.memory_monitor.cleanup_memory(aggressive=True).",
        )
    used_mb = nodes_mb(base)
    if used_mb is not None and used_mb >= config.max_memory_mb:
        raise LifecycleBusy(
            f"max_memory_mb={config.max_memory_mb}: the nodes of the base use {used_mb:.0f} MB.",
            fix="Unload one, or call manager.memory_monitor.cleanup_memory(aggressive=True).",
        )


def loaded_versions(base: BaseModel) -> set[int]:
    """Versions that deployments of the base serve, or are being moved to."""
    rows = Deployment.objects.filter(base_model=base, is_enabled=True)
    stable = rows.filter(stable_revision__version__isnull=False)
    rolling = rows.filter(
        Q(rollouts__state__in=OPEN_ROLLOUT_STATES),
        rollouts__to_revision__version__isnull=False,
    )
    return {
        *stable.values_list("stable_revision__version", flat=True),
        *rolling.values_list("rollouts__to_revision__version", flat=True),
    }


def nodes_mb(base: BaseModel) -> float | None:
    """Resident memory of the base's nodes, as they last told; None where none does."""
    nodes = [node for node in Node.objects.filter(base_model=base) if is_usable(node)]
    told = [int(node.status["memory_bytes"]) for node in nodes if node.status.get("memory_bytes")]
    return round(sum(told) / _MEGABYTE, 1) if told else None


def _last_used(row: Deployment) -> float:
    newest = Answer.objects.filter(deployment=row).order_by("-pk").values_list("at", flat=True)
    at = newest.first() or row.stable_since or row.created_at
    return at.timestamp()


def _times_used(row: Deployment) -> float:
    rows = Answer.objects.filter(deployment=row, at__gte=clock.now() - _LATELY)
    return float(rows.count())


def _may_hold_phi(row: Deployment) -> bool:
    revision: Any = row.stable_revision
    label = current_label(revision.version)
    return label.touches_phi if label is not None else True


_ORDERS: dict[CacheStrategy, Callable[[Deployment], float]] = {
    CacheStrategy.LRU: _last_used,
    CacheStrategy.LFU: _times_used,
}
