"""The list of adapters, and everything that the page of one shows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from compliance.models import (
    ApprovalRequest,
    CheckRun,
    Finding,
    Permission,
    Signature,
    Stop,
)
from compliance.states import Purpose, RunState
from config.console import words
from config.console.selectors import results
from config.console.selectors.blocked import newest_blocked
from config.core import clock
from registry.models import Adapter, AliasMove, Label, Version
from registry.selectors import LIVE, adapters, current_label, live_version
from serving.models import Answer, Deployment, Replica, Rollout
from serving.states import OPEN_ROLLOUT_STATES, ReplicaState

VERSIONS_SHOWN = 12
EVENTS_SHOWN = 60
USED_DAYS = 7
STATES = words.Texts(
    {
        "live": gettext_noop("live"),
        "approved": gettext_noop("approved, not live"),
        "blocked": gettext_noop("newest blocked"),
    }
)


def adapter_list(query: Mapping[str, str]) -> QuerySet[Adapter]:
    """Adapters with what the list shows; filters stand in the address."""
    newest = Version.objects.filter(adapter=OuterRef("pk")).order_by("-number")
    rows = adapters().annotate(
        newest_uuid=Subquery(newest.values("uuid")[:1]),
        newest_at=Subquery(newest.values("submitted_at")[:1]),
        is_approved=Exists(
            Permission.objects.filter(
                version__adapter=OuterRef("pk"), purpose=Purpose.SERVE, ended_at__isnull=True
            )
        ),
        is_loaded=Exists(
            Replica.objects.filter(version__adapter=OuterRef("pk"), state=ReplicaState.READY)
        ),
    )
    if text := query.get("q", "").strip():
        rows = rows.filter(
            Q(name__icontains=text)
            | Q(slug__icontains=text)
            | Q(medical_domain__icontains=text)
            | Q(clinical_use_case__icontains=text)
            | Q(description__icontains=text)
            | Q(_found_in_findings(text))
        )
    if (safety_class := query.get("class", "")) in {"A", "B", "C"}:
        rows = rows.filter(safety_class=safety_class)
    if domain := query.get("domain", ""):
        rows = rows.filter(medical_domain=domain)
    state = query.get("state", "")
    if state == "live":
        rows = rows.filter(aliases__name=LIVE)
    elif state == "approved":
        rows = rows.filter(is_approved=True).exclude(aliases__name=LIVE)
    elif state == "blocked":
        rows = rows.filter(pk__in=newest_blocked().values("adapter"))
    return rows


def mark_blocked(rows: Iterable[Adapter]) -> None:
    """Set ``is_blocked`` of the rows of one page: their versions are read, and no others."""
    shown = list(rows)
    blocked = set(newest_blocked().filter(adapter__in=shown).values_list("adapter_id", flat=True))
    for row in shown:
        row.is_blocked = row.pk in blocked  # type: ignore[attr-defined]


def _found_in_findings(text: str) -> Exists:
    """Whether an open finding of one of the adapter's versions holds the text."""
    return Exists(
        Finding.objects.filter(
            result__run__version__adapter=OuterRef("pk"), message__icontains=text
        ).exclude(state__in=["pass", "not_applicable"])
    )


def domains() -> list[str]:
    """Every medical domain that an adapter names."""
    named = Adapter.objects.exclude(medical_domain="").order_by("medical_domain")
    return list(named.values_list("medical_domain", flat=True).distinct()[:100])


@dataclass(frozen=True)
class Happening:
    """One line of an adapter's history."""

    at: datetime
    icon: str
    text: str
    more: str = ""
    url_name: str = ""
    uuid: Any = None
    tone: str = ""


@dataclass
class SetHistory:
    """One set's results over versions, newest first."""

    name: str
    rows: list[tuple[Version, results.Rate]] = field(default_factory=list)


@dataclass
class AdapterPage:
    """The page's facts."""

    adapter: Adapter
    live: Version | None
    label: Label | None
    versions: list[Version]
    history: list[Happening]
    sets: list[SetHistory]
    deployments: list[Deployment]
    rollout: Rollout | None
    used: list[tuple[str, int]]
    states: dict[int, words.Word]
    newest_label: Label | None

    @property
    def sentence(self) -> str:
        """What this is, and in what state."""
        name, live = self.adapter.name, self.live
        if live is None:
            if not self.versions:
                return _("%(name)s has no version yet.") % {"name": name}
            return _("%(name)s is not live: no version has been rolled out to everyone.") % {
                "name": name
            }
        said = _("%(name)s %(version_name)s is live") % {
            "name": name,
            "version_name": live.version_name,
        }
        if self.rollout is not None and self.rollout.to_revision.version is not None:
            trying = self.rollout.to_revision.version.version_name
            if trying != live.version_name:
                said += _(
                    "; %(trying)s is being tried on %(weight_percent)s %% of the requests"
                ) % {"trying": trying, "weight_percent": self.rollout.weight_percent}
        return f"{said}."


def adapter_page(adapter: Adapter) -> AdapterPage:
    """Read it all; the number of queries does not depend on how much there is."""
    versions = list(
        Version.objects.filter(adapter=adapter)
        .select_related("submitted_by__person")
        .order_by("-number")[:VERSIONS_SHOWN]
    )
    live = live_version(adapter)
    rollouts = list(
        Rollout.objects.filter(deployment__adapter=adapter)
        .select_related("deployment", "to_revision__version", "started_by__person")
        .order_by("-pk")[:EVENTS_SHOWN]
    )
    deployments = list(
        Deployment.objects.filter(adapter=adapter).select_related("stable_revision__version")
    )
    week = clock.now() - timedelta(days=USED_DAYS)
    used = (
        Answer.objects.filter(deployment__in=deployments, at__gte=week)
        .values_list("token_name")
        .annotate(count=Count("pk"))
        .order_by("-count")[:10]
    )
    return AdapterPage(
        adapter=adapter,
        live=live,
        label=current_label(live or versions[0]) if live or versions else None,
        versions=versions,
        history=_history(adapter, versions, rollouts),
        sets=_set_history(versions),
        deployments=deployments,
        rollout=next((row for row in rollouts if row.state in OPEN_ROLLOUT_STATES), None),
        used=[(name or _("a caller without a name"), count) for name, count in used],
        states=_states(versions, live),
        newest_label=current_label(versions[0]) if versions else None,
    )


def _set_history(versions: list[Version]) -> list[SetHistory]:
    done = results.newest_runs(versions, states=results.DONE)
    histories: dict[int, SetHistory] = {}
    for version in versions:
        for set_id, run in done.get(version.digest, {}).items():
            history = histories.setdefault(set_id, SetHistory(str(run.evaluation_set)))
            history.rows.append((version, results.rate_of_run(run)))
    return sorted(histories.values(), key=lambda history: history.name)


def _states(versions: list[Version], live: Version | None) -> dict[int, words.Word]:
    """The one word that says most about each version."""
    digests = [version.digest for version in versions]
    stopped = set(
        Stop.objects.filter(digest__in=digests, released_at__isnull=True).values_list(
            "digest", flat=True
        )
    )
    permitted = set(
        Permission.objects.filter(
            version__in=versions, purpose=Purpose.SERVE, ended_at__isnull=True
        ).values_list("version_id", flat=True)
    )
    asked = dict(
        ApprovalRequest.objects.filter(version__in=versions)
        .order_by("pk")
        .values_list("version_id", "state")
    )
    blocked: dict[int, bool | None] = dict(
        CheckRun.objects.filter(
            version__in=versions, kind__in=["package", "evidence"], state=RunState.DONE
        )
        .order_by("pk")
        .values_list("version_id", "is_blocked")
    )
    found = {}
    for version in versions:
        if version.digest in stopped:
            word = words.Word(_("stopped"), "block", "bad")
        elif live is not None and version.pk == live.pk:
            word = words.Word(_("live"), "verified", "good")
        elif version.pk in permitted:
            word = words.Word(_("approved"), "verified", "good")
        elif asked.get(version.pk) in {"open", "rejected"}:
            word = words.word("approval", asked[version.pk])
        elif blocked.get(version.pk):
            word = words.Word(_("blocked"), "cancel", "bad")
        elif version.pk in blocked:
            word = words.Word(_("nothing blocks"), "check_circle", "quiet")
        else:
            word = words.Word(_("being checked"), "progress_activity", "info")
        found[version.pk] = word
    return found


def _history(adapter: Adapter, versions: list[Version], rollouts: list[Rollout]) -> list[Happening]:
    lines = [
        Happening(
            version.submitted_at,
            "upload",
            _("%(version_name)s uploaded by %(submitted_by)s")
            % {"version_name": version.version_name, "submitted_by": version.submitted_by},
            version.notes,
            "admin:version",
            version.uuid,
        )
        for version in versions
    ]
    lines += [_rollout_line(rollout) for rollout in rollouts]
    lines += _approval_lines(adapter) + _alias_lines(adapter) + _stop_lines(adapter)
    return sorted(lines, key=lambda line: line.at, reverse=True)[:EVENTS_SHOWN]


def _rollout_line(rollout: Rollout) -> Happening:
    word = words.word("rollout", rollout.state)
    name = (
        rollout.to_revision.version.version_name if rollout.to_revision.version else _("the base")
    )
    more = words.TRIGGER.get(rollout.trigger, "").capitalize() if rollout.trigger else ""
    return Happening(
        rollout.finished_at or rollout.started_at,
        word.icon,
        _("Rollout of %(name)s in %(deployment)s: %(text)s")
        % {"name": name, "deployment": rollout.deployment, "text": word.text},
        more,
        "admin:rollout",
        rollout.uuid,
        word.tone if word.tone == "bad" else "",
    )


def _approval_lines(adapter: Adapter) -> list[Happening]:
    signatures = (
        Signature.objects.filter(request__version__adapter=adapter)
        .select_related("request__version")
        .order_by("-pk")[:EVENTS_SHOWN]
    )
    lines = [
        Happening(
            row.signed_at,
            "draw",
            f"{row.request.version.version_name}: "
            f"{words.MEANING.get(row.meaning, row.meaning).lower()}, by {row.printed_name}",
            row.comment,
            "admin:sign",
            row.request.uuid,
        )
        for row in signatures
    ]
    closed = (
        ApprovalRequest.objects.filter(version__adapter=adapter, state__in=["rejected", "void"])
        .select_related("version")
        .order_by("-pk")[:EVENTS_SHOWN]
    )
    for request in closed:
        word = words.word("approval", request.state)
        lines.append(
            Happening(
                request.closed_at or request.requested_at,
                word.icon,
                f"{request.version.version_name}: approval {word.text}",
                request.closed_reason,
                "admin:sign",
                request.uuid,
            )
        )
    return lines


def _alias_lines(adapter: Adapter) -> list[Happening]:
    moves = (
        AliasMove.objects.filter(adapter=adapter)
        .select_related("from_version", "to_version")
        .order_by("-pk")[:EVENTS_SHOWN]
    )
    lines = []
    for move in moves:
        was = move.from_version.version_name if move.from_version else "nothing"
        now = move.to_version.version_name if move.to_version else "nothing"
        lines.append(
            Happening(
                move.moved_at,
                "label_important" if move.name == LIVE else "label",
                _("“%(name)s” names %(now)s (before: %(was)s)")
                % {"name": move.name, "now": now, "was": was},
                move.reason,
            )
        )
    return lines


def _stop_lines(adapter: Adapter) -> list[Happening]:
    versions = Version.objects.filter(adapter=adapter)
    stops = list(
        Stop.objects.filter(digest__in=versions.values("digest"))
        .select_related("issued_by__person")
        .order_by("-pk")[:EVENTS_SHOWN]
    )
    names = dict(
        versions.filter(digest__in=[stop.digest for stop in stops]).values_list(
            "digest", "version_name"
        )
    )
    lines = []
    for stop in stops:
        name = names.get(stop.digest, stop.digest[:12])
        by = f" by {stop.issued_by}" if stop.issued_by else ""
        lines.append(
            Happening(
                stop.issued_at,
                "block",
                _("%(name)s stopped everywhere%(by)s") % {"name": name, "by": by},
                stop.reason,
                tone="bad",
            )
        )
        if stop.released_at:
            lines.append(
                Happening(
                    stop.released_at,
                    "lock_open",
                    _("The stop of %(name)s was released") % {"name": name},
                )
            )
    return lines
