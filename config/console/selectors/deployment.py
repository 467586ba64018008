"""Everything that the page of one deployment shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from compliance.models import ApprovalRequest, Permission, Stop
from compliance.selectors import VerifiedSignature, verify_signatures
from compliance.states import ApprovalState, Purpose
from config.accounts.models import User
from config.console import words
from config.console.selectors.live_history import name_of
from config.console.selectors.reach import Reach, reach_of
from config.console.selectors.traffic import Traffic, traffic
from config.core import clock
from registry.models import Version
from serving.domain.contract import OutputContract
from serving.domain.policy import DeploymentPolicy
from serving.models import Deployment, Feedback, Revision, Rollout
from serving.selectors.deployments import policy_of
from serving.selectors.wanted import previous_revision
from serving.states import OPEN_ROLLOUT_STATES

REVISIONS_SHOWN = 30
VERSIONS_OFFERED = 50


@dataclass(frozen=True)
class RevisionLine:
    """A revision with the rollout that brought it; ``is_live``: it is the stable one now."""

    revision: Revision
    rollout: Rollout | None
    is_live: bool

    @property
    def name(self) -> str:
        """What it brought."""
        return name_of(self.revision)

    @property
    def word(self) -> words.Word:
        """What became of it."""
        if self.is_live:
            return words.Word(_("live"), "verified", "good")
        if self.rollout is None:
            return words.Word(_("not rolled out"), "radio_button_unchecked")
        if self.rollout.state == "promoted":
            return words.Word(_("was live"), "history")
        return words.word("rollout", self.rollout.state)

    @property
    def begun_at(self) -> datetime:
        """When somebody asked for it."""
        return self.rollout.started_at if self.rollout else self.revision.created_at

    @property
    def begun_by(self) -> User:
        """Who asked for it."""
        return self.rollout.started_by if self.rollout else self.revision.created_by

    @property
    def more(self) -> str:
        """Why it did not stay, or why it came."""
        if self.rollout is None:
            return ""
        trigger = words.TRIGGER.get(self.rollout.trigger, "")
        return self.rollout.reason or trigger


@dataclass(frozen=True)
class Side:
    """A share of the requests; ``tone`` picks the bar's colour."""

    name: str
    percent: int
    what: str
    version: Version | None


@dataclass
class DeploymentPage:
    """The page's facts."""

    deployment: Deployment
    version: Version | None
    rollout: Rollout | None
    stop: Stop | None
    permission: Permission | None
    signatures: list[VerifiedSignature]
    revisions: list[RevisionLine]
    traffic: Traffic
    reported: int
    previous: Revision | None
    policy: DeploymentPolicy
    contract: OutputContract | None
    versions: list[Version]
    reach: Reach | None
    now: datetime

    @property
    def sides(self) -> list[Side]:
        """Who answers what share."""
        stable, rollout = self.deployment.stable_revision, self.rollout
        weight = rollout.weight_percent if rollout else 0
        found = []
        if rollout is not None and weight:
            to = rollout.to_revision
            found.append(Side(name_of(to), weight, _("on trial"), to.version))
        if stable is not None:
            found.append(Side(name_of(stable), 100 - weight, "stable", stable.version))
        return found

    @property
    def names(self) -> str:
        """Whoever approved what is live, joined."""
        return words.listed([row.signature.printed_name for row in self.signatures])

    @property
    def sentence(self) -> str:
        """What answers, since when and by whose approval; what is wrong comes first."""
        row = self.deployment
        title, stable = row.title or row.public_name, row.stable_revision
        if not row.is_enabled:
            return _("%(title)s is switched off: nothing answers under %(public_name)s.") % {
                "title": title,
                "public_name": row.public_name,
            }
        if stable is None:
            said = _("Nothing answers under %(public_name)s yet") % {"public_name": row.public_name}
            if self.rollout is not None:
                return _("%(said)s; %(to_revision)s is being rolled out.") % {
                    "said": said,
                    "to_revision": name_of(self.rollout.to_revision),
                }
            return _("%(said)s: no version has been rolled out to it.") % {"said": said}
        name = name_of(stable)
        if self.stop is not None:
            return _("Nobody gets an answer from %(title)s: %(name)s is stopped everywhere.") % {
                "title": title,
                "name": name,
            }
        if stable.version_id and self.permission is None:
            return _(
                "Nobody gets an answer from %(title)s: the permission of %(name)s has ended."
            ) % {"title": title, "name": name}
        since = f" since {day_in_words(row.stable_since, self.now)}" if row.stable_since else ""
        by = _(", approved by %(names)s") % {"names": self.names} if self.names else ""
        if self.rollout is not None and self.rollout.weight_percent:
            trying = name_of(self.rollout.to_revision)
            return _(
                "%(title)s is answered by %(name)s%(since)s%(by)s; %(trying)s is being tried on "
                "%(weight_percent)s %% of the requests."
            ) % {
                "title": title,
                "name": name,
                "since": since,
                "by": by,
                "trying": trying,
                "weight_percent": self.rollout.weight_percent,
            }
        return _("%(title)s is answered by %(name)s for everyone%(since)s%(by)s.") % {
            "title": title,
            "name": name,
            "since": since,
            "by": by,
        }

    @property
    def fallbacks(self) -> list[str]:
        """What answers when the one before can't, in order."""
        stable = self.deployment.stable_revision
        if stable is None:
            return []
        steps = [_("%(stable)s, which is live.") % {"stable": name_of(stable)}]
        if "previous" in self.policy.fallbacks and self.deployment.adapter_id:
            steps.append(
                _(
                    "%(previous)s, the version before: when %(stable)s is stopped, it is brought "
                    "back by itself."
                )
                % {"previous": name_of(self.previous), "stable": name_of(stable)}
                if self.previous
                else _(
                    "No earlier version is approved and not stopped, so there is none to go back "
                    "to."
                )
            )
        steps.append(_("Then requests are refused; the base model never answers in its place."))
        return steps

    @property
    def when_away(self) -> str:
        """What happens without the control process."""
        if self.policy.when_control_is_away == "refuse":
            return _("Requests are refused at once while the control process is away.")
        return _("While the control process is away it answers until the leases end.")

    @property
    def promises(self) -> list[str]:
        """The output contract in words."""
        return contract_words(self.contract)

    @property
    def why_no_start(self) -> str:
        """Why no rollout can begin now; empty where one can."""
        if self.rollout is not None:
            return _("A rollout is under way; there is one at a time.")
        if self.deployment.adapter_id is None:
            return _("It is live already.") if self.deployment.stable_revision_id else ""
        return "" if self.versions else _("No other version is approved and not stopped.")

    @property
    def why_no_rollback(self) -> str:
        """Why nothing can be brought back now; empty where something can."""
        if self.rollout is not None and self.rollout.state in {"running", "paused"}:
            return _(
                "A rollout is under way; end it on its page, then the live version answers all."
            )
        if self.rollout is not None:
            return _("It is going back already.")
        if self.previous is None:
            return _("There is no earlier version that is approved and not stopped.")
        return ""

    @property
    def goes_back_to(self) -> str:
        """What answers after a rollback."""
        return name_of(self.previous) if self.previous else ""


def deployment_page(deployment: Deployment) -> DeploymentPage:
    """Read it all; the number of queries does not depend on how much there is."""
    stable = deployment.stable_revision
    version = stable.version if stable else None
    digest = stable.digest if stable else ""
    rollouts = list(
        Rollout.objects.filter(deployment=deployment)
        .select_related("to_revision__version", "from_revision__version", "started_by__person")
        .order_by("-pk")[:REVISIONS_SHOWN]
    )
    stop = Stop.objects.filter(digest=digest, released_at__isnull=True)
    approved = ApprovalRequest.objects.filter(version=version, state=ApprovalState.APPROVED)
    request = approved.order_by("-revision").first() if version else None
    return DeploymentPage(
        deployment=deployment,
        version=version,
        rollout=next((row for row in rollouts if row.state in OPEN_ROLLOUT_STATES), None),
        stop=stop.select_related("issued_by__person").first(),
        permission=Permission.objects.filter(
            version=version, purpose=Purpose.SERVE, ended_at__isnull=True
        ).first(),
        signatures=verify_signatures(request) if request else [],
        revisions=_revisions(deployment, rollouts),
        traffic=traffic(deployment),
        reported=Feedback.objects.filter(deployment=deployment, is_bad=True).count(),
        previous=previous_revision(deployment),
        policy=policy_of(deployment),
        contract=OutputContract.from_json(deployment.output_contract),
        versions=_offered(deployment, digest),
        reach=reach_of(digest) if version else None,
        now=clock.now(),
    )


def _revisions(deployment: Deployment, rollouts: Sequence[Rollout]) -> list[RevisionLine]:
    rows = (
        Revision.objects.filter(deployment=deployment)
        .select_related("version", "created_by__person")
        .order_by("-number")[:REVISIONS_SHOWN]
    )
    brought = {row.to_revision_id: row for row in rollouts}
    return [
        RevisionLine(row, brought.get(row.pk), row.pk == deployment.stable_revision_id)
        for row in rows
    ]


def _offered(deployment: Deployment, digest: str) -> list[Version]:
    """Versions that may be rolled out: permitted, not stopped and not live, the newest first."""
    stopped = Stop.objects.filter(digest=OuterRef("digest"), released_at__isnull=True)
    permitted = Permission.objects.filter(
        version=OuterRef("pk"), purpose=Purpose.SERVE, ended_at__isnull=True
    )
    rows = Version.objects.filter(adapter=deployment.adapter_id).exclude(digest=digest)
    return list(
        rows.filter(Exists(permitted), ~Exists(stopped)).order_by("-number")[:VERSIONS_OFFERED]
    )


def contract_words(contract: OutputContract | None) -> list[str]:
    """What an answer has to be like, a line each; empty where nothing is promised."""
    if contract is None:
        return []
    said = []
    if contract.max_tokens is not None:
        said.append(
            _("It has at most %(max_tokens)s.")
            % {"max_tokens": words.counted(contract.max_tokens, "token")}
        )
    if contract.pattern is not None:
        said.append(
            _("From its first letter to its last it matches the pattern %(pattern)s")
            % {"pattern": contract.pattern.pattern}
        )
    if contract.stop_reasons == {"stop"}:
        said.append(_("It ends by itself and is never cut off by its length."))
    elif contract.stop_reasons == {"length"}:
        said.append(_("It is as long as it may be."))
    return said


def day_in_words(moment: datetime, now: datetime) -> str:
    """``today``, ``yesterday``, ``Tuesday``, then the date; by UTC days."""
    days = (now.date() - moment.date()).days
    if days < 2:
        return "today" if days <= 0 else "yesterday"
    return f"{moment:%A}" if days < 7 else f"{moment.day} {moment:%B %Y}"
