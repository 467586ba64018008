"""Whether the house is healthy: parts, queues, versions, alerts, and settings without secrets."""

import importlib.metadata
import platform
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from config.console import words
from config.console.selectors.alerts import ShownAlert, shown
from config.core import clock
from serving.domain.alert_rules import BACKLOG_MESSAGES, BEAT
from serving.domain.errands import DELIVERIES, TRAINING, WORKER_SILENT_SECONDS, served_queues
from serving.domain.facts import NodeFact
from serving.domain.health import Component, Status
from serving.health.measuring import Measured
from serving.models import Alert

NAMES = words.Texts(
    {
        "database": gettext_noop("Database"),
        "manager": gettext_noop("Web and gateway"),
        "storage": gettext_noop("Store of files"),
        "redis": gettext_noop("Redis"),
        "queues": gettext_noop("Queues"),
        "workers": gettext_noop("Workers"),
        "trainer": gettext_noop("Trainer"),
        "courier": gettext_noop("Courier"),
        "beat": gettext_noop("Beat"),
        "control": gettext_noop("Control loop"),
        "sealer": gettext_noop("Sealer of the audit trail"),
        "nodes": gettext_noop("Nodes"),
    }
)
TAKEN_BY = {
    "control": "rollouts",
    "checks": "worker",
    "evaluations": "worker",
    TRAINING: "trainer",
    DELIVERIES: "courier",
}
LIBRARIES = ("django", "celery", "torch", "transformers", "peft")


@dataclass(frozen=True)
class Part:
    """A part with its name for people."""

    name: str
    component: Component


@dataclass(frozen=True)
class Queue:
    """A queue, how much waits in it, and who takes it; ``is_missed``: nobody does who should."""

    name: str
    length: int
    taken_by: str
    is_taken: bool
    is_missed: bool
    is_long: bool


@dataclass(frozen=True)
class Beat:
    """When a process was last heard; ``age_seconds`` by Redis's clock, ``at`` by the database's."""

    name: str
    what: str
    at: datetime | None
    age_seconds: float | None
    is_silent: bool


@dataclass(frozen=True)
class SystemPage:
    """The page's facts; ``database`` false: the rest could not be read."""

    sentence: str
    parts: list[Part]
    alerts: list[ShownAlert]
    closed: list[Alert]
    queues: list[Queue]
    beats: list[Beat]
    nodes: tuple[NodeFact, ...]
    stops_epoch: int
    versions: list[tuple[str, str]]
    settings: list[list[tuple[str, Any, str]]]


def system_page(measured: Measured) -> SystemPage:
    """Everything, from what was measured a moment ago and a few reads."""
    told = measured.database
    return SystemPage(
        sentence=_sentence(measured),
        parts=[Part(NAMES[name], part) for name, part in measured.components.items()],
        alerts=shown(measured.alerts),
        closed=_closed(),
        queues=_queues(measured),
        beats=_beats(measured),
        nodes=told.facts.nodes if told else (),
        stops_epoch=told.facts.stops_epoch if told else 0,
        versions=_versions(),
        settings=_settings(),
    )


def _closed() -> list[Alert]:
    since = clock.now() - timedelta(days=1)
    return list(Alert.objects.filter(closed_at__gte=since).order_by("-closed_at")[:10])


def _sentence(measured: Measured) -> str:
    wrong = [
        NAMES[name]
        for name, part in measured.components.items()
        if part.status in {Status.DEGRADED, Status.UNHEALTHY}
    ]
    if not wrong:
        said = _("All parts are in order")
    else:
        verb = "is" if len(wrong) == 1 else "are"
        said = _("%(wrong)s %(verb)s not in order") % {"wrong": words.listed(wrong), "verb": verb}
    count = len(measured.alerts)
    if not count:
        joint = "and" if not wrong else "but"
        return _("%(said)s, %(joint)s no alert is open.") % {"said": said, "joint": joint}
    joint = "but" if not wrong else "and"
    return f"{said}, {joint} {words.counted(count, 'alert is', 'alerts are')} open."


def _queues(measured: Measured) -> list[Queue]:
    facts, told = measured.broker, measured.database
    if facts is None:
        return []
    nodes = told.facts.nodes if told else ()
    has_need = measured.components["trainer"].status is not Status.OFF
    taken = served_queues(facts)
    names = dict.fromkeys([*facts.queues, *(f"node.{node.name}" for node in nodes)])
    return [
        Queue(
            name=name,
            length=facts.queues.get(name, 0),
            taken_by=TAKEN_BY.get(name, _("the node's agent")),
            is_taken=name in taken,
            is_missed=name not in taken and (has_need or name != TRAINING),
            is_long=facts.queues.get(name, 0) >= BACKLOG_MESSAGES,
        )
        for name in names
    ]


def _beats(measured: Measured) -> list[Beat]:
    heartbeat = measured.database.heartbeat if measured.database else None
    control = measured.components["control"]
    found = [
        Beat(
            "control",
            _("seals, renews, watches"),
            heartbeat.at if heartbeat else None,
            None,
            control.status is not Status.HEALTHY,
        )
    ]
    for duty, at in sorted((heartbeat.duties if heartbeat else {}).items()):
        if duty != "heartbeat":
            moment = datetime.fromisoformat(at)
            found.append(Beat(f"control: {duty}", _("its last good round"), moment, None, False))
    for name, age in sorted((measured.broker.ages_seconds if measured.broker else {}).items()):
        queues = measured.broker.workers.get(name, ()) if measured.broker else ()
        what = _("nudges everything") if name == BEAT else f"takes {', '.join(queues)}"
        found.append(Beat(name, what, None, age, age > WORKER_SILENT_SECONDS))
    return found


def _versions() -> list[tuple[str, str]]:
    found = [("Formulary", settings.APP_VERSION), ("Python", platform.python_version())]
    for name in LIBRARIES:
        try:
            found.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            found.append((name, _("not installed here")))
    found.append((connection.vendor, _server_version()))
    found.append((_("Database schema"), _schema()))
    return found


def _server_version() -> str:
    number = connection.get_database_version()
    return ".".join(str(part) for part in number)


def _schema() -> str:
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if pending:
        return _("%(pending)s not applied") % {
            "pending": words.counted(len(pending), "migration is", "migrations are")
        }
    ours = ("accounts", "registry", "compliance", "serving")
    leaves = [name[:4] for app, name in sorted(executor.loader.graph.leaf_nodes()) if app in ours]
    return _("up to date (%(leaves)s)") % {"leaves": ", ".join(leaves)}


def _settings() -> list[list[tuple[str, Any, str]]]:
    """Only what is named here is shown, and of secrets only whether there is one."""
    proxy = settings.SECURE_PROXY_SSL_HEADER
    given = "set" if settings.METRICS_TOKEN else _("not set: /metrics tells nothing")
    house = [
        ("FORMULARY_ENV", settings.FORMULARY_ENV, _("what kind of installation this is")),
        ("FORMULARY_HOME", str(settings.FORMULARY_HOME), _("where all state lies")),
        ("STORAGE_TYPE", settings.STORAGE_TYPE, _("where files lie")),
        ("CHECKPOINT_FOLDER", str(settings.CHECKPOINT_FOLDER), _("checkpoints of the audit trail")),
        ("LEASE_TTL_SECONDS", settings.LEASE_TTL_SECONDS, _("how long a node serves unheard")),
        ("LEASE_RENEW_SECONDS", settings.LEASE_RENEW_SECONDS, _("how often leases are renewed")),
        ("UPLOAD_MAX_BYTES", f"{settings.UPLOAD_MAX_BYTES:,}", _("the largest package")),
    ]
    web = [
        ("ALLOWED_HOSTS", settings.ALLOWED_HOSTS, _("names that are answered")),
        ("SECURE_SSL_REDIRECT", settings.SECURE_SSL_REDIRECT, _("HTTP is sent to HTTPS")),
        ("SECURE_PROXY_SSL_HEADER", proxy[0] if proxy else "none", _("where a proxy says https")),
        ("TRUSTED_PROXY_COUNT", settings.TRUSTED_PROXY_COUNT, _("proxies in front")),
        ("SECURE_HSTS_SECONDS", settings.SECURE_HSTS_SECONDS, _("browsers insist on HTTPS")),
        ("METRICS_TOKEN", given, _("lets Prometheus read")),
        ("LOG_LEVEL", settings.LOG_LEVEL, _("the least level that is logged")),
    ]
    return [house, web]
