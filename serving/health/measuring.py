"""Every part of the house as measured now: database, Redis, storage, workers, control, nodes."""

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.db.models import Count
from django.http import HttpRequest

from compliance.models import ApprovalRequest
from compliance.selectors.stops import open_stops
from compliance.states import ApprovalState
from config.core import broker, clock
from config.core.storage import blob_storage
from registry import training_selectors
from serving.domain.facts import BrokerFacts, Facts, WorkFact
from serving.domain.health import Component, Status
from serving.gateway.gateway import SCOPE_KEY, Gateway
from serving.health import judging
from serving.health.probes import Probe, Run, ask_all
from serving.models import Alert, Heartbeat, Replica, Rollout
from serving.selectors.alerts import open_alerts
from serving.selectors.facts import QUEUES, broker_facts, database_facts
from serving.services.heartbeats import CONTROL
from serving.states import ReplicaState

ANSWER_SECONDS = 1.0
LEAST_FREE_BYTES = 1024**3


@dataclass(frozen=True, kw_only=True)
class DatabaseFacts:
    """What the database told, in one go."""

    latency_ms: float
    facts: Facts
    heartbeat: Heartbeat | None
    alerts: list[Alert]
    active_adapters: int
    rollouts: Mapping[str, int]
    trainings: Mapping[str, int]
    training_silent_seconds: float
    records_unsigned: int
    stops_open: int


@dataclass(frozen=True, kw_only=True)
class Measured:
    """All parts; ``database`` and ``broker`` are None where they did not answer in time."""

    components: Mapping[str, Component]
    database: DatabaseFacts | None = None
    broker: BrokerFacts | None = None
    alerts: list[Alert] = field(default_factory=list)


def _ask_database() -> DatabaseFacts:
    began = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
        latency_ms = round(1000 * (time.monotonic() - began), 2)
        return DatabaseFacts(
            latency_ms=latency_ms,
            facts=database_facts(),
            heartbeat=Heartbeat.objects.filter(name=CONTROL).first(),
            alerts=open_alerts(),
            active_adapters=_active_adapters(),
            rollouts=dict(Rollout.objects.values_list("state").annotate(Count("pk")).order_by()),
            trainings=training_selectors.counts(),
            training_silent_seconds=training_selectors.oldest_silence(clock.now()),
            records_unsigned=ApprovalRequest.objects.filter(state=ApprovalState.OPEN).count(),
            stops_open=open_stops().count(),
        )
    finally:
        connection.close()


def _active_adapters() -> int:
    rows = Replica.objects.filter(state=ReplicaState.READY, node__is_enabled=True)
    return rows.values("digest").distinct().count()


def _ask_broker() -> tuple[float, BrokerFacts] | None:
    if not broker.is_configured():
        return None
    began = time.monotonic()
    broker.ping()
    latency_ms = round(1000 * (time.monotonic() - began), 2)
    return latency_ms, broker_facts(QUEUES) or BrokerFacts()


def _ask_storage() -> int | None:
    """Free bytes of a folder; None where the store has no such number."""
    storage = blob_storage()
    # Asks the store itself; that there is no such file is a good answer.
    storage.exists("health/never-there")
    if not isinstance(storage, FileSystemStorage):
        return None
    folder = Path(storage.path(""))
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(str(folder))
    return shutil.disk_usage(folder).free


PROBES: Mapping[str, Probe[Any]] = {
    "database": Probe("database", _ask_database),
    "redis": Probe("redis", _ask_broker),
    "storage": Probe("storage", _ask_storage),
}


def measure(*, is_control_away: bool = False) -> Measured:
    """Ask all parts, within ``ANSWER_SECONDS``; what has not answered by then is unhealthy.

    ``is_control_away``: what this process's gateway knows of the database.
    """
    runs = ask_all(PROBES, seconds=ANSWER_SECONDS)
    told: DatabaseFacts | None = _value(runs["database"])
    asked: tuple[float, BrokerFacts] | None = _value(runs["redis"])
    parts = [
        _wired("database", runs["database"], told.latency_ms if told else None),
        judging.manager(is_control_away=is_control_away),
        _storage(runs["storage"]),
        *judging.broker_parts(
            is_configured=broker.is_configured(),
            fault=_fault(runs["redis"]) or (asked[1].fault if asked else ""),
            latency_ms=asked[0] if asked else None,
            facts=asked[1] if asked else None,
            nodes=told.facts.nodes if told else (),
            work=told.facts.work if told else WorkFact(),
        ),
        *judging.database_parts(told.facts if told else None, told.heartbeat if told else None),
    ]
    return Measured(
        components={part.name: part for part in parts},
        database=told,
        broker=asked[1] if asked else None,
        alerts=told.alerts if told else [],
    )


def measured_for(request: HttpRequest) -> Measured:
    """All parts, with what the gateway of this process knows, where it has one."""
    gateway = getattr(request, "scope", {}).get(SCOPE_KEY)
    is_away = isinstance(gateway, Gateway) and gateway.snapshots.is_control_away
    return measure(is_control_away=is_away)


def forget() -> None:
    """Measure anew next time (tests)."""
    for probe in PROBES.values():
        probe.forget()


def _value(run: Run[Any]) -> Any:
    return run.value if run.ended.is_set() and not run.error else None


def _fault(run: Run[Any]) -> str:
    if not run.ended.is_set():
        return f"no answer within {ANSWER_SECONDS} s"
    return run.error


def _wired(name: str, run: Run[Any], latency_ms: float | None) -> Component:
    fault = _fault(run)
    return Component(
        name=name,
        status=Status.UNHEALTHY if fault else Status.HEALTHY,
        detail=fault or "answers",
        latency_ms=latency_ms,
    )


def _storage(run: Run[Any]) -> Component:
    free_bytes = _value(run)
    part = _wired("storage", run, run.latency_ms if run.ended.is_set() else None)
    if part.status is Status.HEALTHY and free_bytes is not None:
        said = f"{free_bytes / 1000**3:.1f} GB free"
        is_full = free_bytes < LEAST_FREE_BYTES
        return replace(part, detail=said, status=Status.DEGRADED if is_full else part.status)
    return part
