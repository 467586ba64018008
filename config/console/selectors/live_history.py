"""What answered under a public name at any past moment, and who had approved it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext as _

from compliance.models import Signature, Stop
from config.console import words
from registry.models import AliasMove
from registry.selectors import LIVE
from serving.models import Deployment, Revision, Rollout, RolloutStep
from serving.states import RolloutState, StepKind


@dataclass(frozen=True)
class Trial:
    """A rollout that was under way at the moment, with the share that had been set."""

    rollout: Rollout
    weight_percent: int

    @property
    def name(self) -> str:
        """What was on trial."""
        return name_of(self.rollout.to_revision)


@dataclass(frozen=True)
class LiveAt:
    """What was live at ``at``; ``revision`` None: nothing had been promoted yet.

    ``alias``: the move of the adapter's alias ``live`` that counted then, told beside it because
    another deployment of the adapter may have moved it.
    """

    at: datetime
    revision: Revision | None
    since: datetime | None
    rollout: Rollout | None
    signatures: Sequence[Signature]
    stop: Stop | None
    trial: Trial | None
    alias: AliasMove | None
    public_name: str

    @property
    def sentence(self) -> str:
        """What answered then, in a line."""
        at = f"{self.at:%Y-%m-%d %H:%M} UTC"
        if self.revision is None:
            return _("At %(at)s nothing answered under %(public_name)s yet.") % {
                "at": at,
                "public_name": self.public_name,
            }
        name = name_of(self.revision)
        if self.stop is not None:
            return _("At %(at)s nothing answered under %(public_name)s: %(name)s was stopped.") % {
                "at": at,
                "public_name": self.public_name,
                "name": name,
            }
        said = _("At %(at)s %(public_name)s was answered by %(name)s") % {
            "at": at,
            "public_name": self.public_name,
            "name": name,
        }
        if self.trial is not None and self.trial.weight_percent:
            said += _(", and by %(name)s for %(weight_percent)s %% of the requests") % {
                "name": self.trial.name,
                "weight_percent": self.trial.weight_percent,
            }
        by = words.listed([row.printed_name for row in self.signatures])
        return _("%(said)s; approved by %(by)s.") % {"said": said, "by": by} if by else f"{said}."


def name_of(revision: Revision) -> str:
    """The version's name, or that it is the base model."""
    return revision.version.version_name if revision.version else _("the base model")


def live_at(deployment: Deployment, at: datetime) -> LiveAt:
    """Read it from the promotions, the steps, the stops and the signatures up to ``at``."""
    rows = Rollout.objects.filter(deployment=deployment).select_related(
        "to_revision__version", "from_revision__version", "started_by__person"
    )
    promoted = rows.filter(state=RolloutState.PROMOTED, finished_at__lte=at)
    last = promoted.order_by("-finished_at", "-pk").first()
    revision = last.to_revision if last else None
    open_then = rows.filter(started_at__lte=at).filter(
        Q(finished_at__isnull=True) | Q(finished_at__gt=at)
    )
    trial = open_then.order_by("-pk").first()
    stop = None
    if revision is not None:
        stop = (
            Stop.objects.filter(digest=revision.digest, issued_at__lte=at)
            .filter(Q(released_at__isnull=True) | Q(released_at__gt=at))
            .first()
        )
    return LiveAt(
        at=at,
        revision=revision,
        since=last.finished_at if last else None,
        rollout=last,
        signatures=signatures_at(revision, at) if revision else (),
        stop=stop,
        trial=Trial(trial, _weight_at(trial, at)) if trial else None,
        alias=AliasMove.objects.filter(adapter=deployment.adapter_id, name=LIVE, moved_at__lte=at)
        .select_related("to_version")
        .first(),
        public_name=deployment.public_name,
    )


def signatures_at(revision: Revision, at: datetime) -> list[Signature]:
    """Those under the version's newest record that had been given by then, in order."""
    if revision.version_id is None:
        return []
    rows = Signature.objects.filter(
        request__version=revision.version_id, signed_at__lte=at
    ).order_by("-request__revision", "position")
    found = list(rows.select_related("request"))
    return [row for row in found if row.request_id == found[0].request_id]


def _weight_at(rollout: Rollout, at: datetime) -> int:
    """The share that was set last before ``at``; 0 where none was."""
    steps: Iterable[RolloutStep] = RolloutStep.objects.filter(
        rollout=rollout, kind=StepKind.SET_WEIGHT, finished_at__lte=at
    ).order_by("index")
    weights = [int(step.params.get("weight_percent") or 0) for step in steps]
    return weights[-1] if weights else 0
