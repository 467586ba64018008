"""The list of deployments with the form for a new one, and the page of one with its acts."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from compliance.services import stops
from config.accounts.roles import Act
from config.console import words
from config.console.paging import key_page
from config.console.selectors.deployment import DeploymentPage, deployment_page
from config.console.selectors.deployments import STATES, deployment_list
from config.console.selectors.live_history import live_at
from config.console.selectors.rollout_previews import previews
from config.console.views.page import Page, crumb
from config.core import clock
from config.core.errors import Invalid
from registry.models import Adapter
from registry.selectors import adapter_by_ref, base_model_by_name, base_models, version_by_ref
from serving.models import Deployment
from serving.selectors.deployments import deployment_by_name
from serving.services import deployments, rollbacks, rollouts
from serving.strategies import CHOSEN_BY_PEOPLE

Said = tuple[str, str]
ADAPTERS_OFFERED = 200
STRATEGIES = words.Texts(
    {
        "canary": gettext_noop("canary: on a share of the requests first"),
        "blue_green": gettext_noop("blue-green: everybody at once, the old version kept ready"),
    }
)


class DeploymentsView(Page):
    """All deployments."""

    template_name = "console/deployments.html"
    acts: ClassVar = {"open": "open_new"}

    def context(self) -> dict[str, Any]:
        """One page of the list, its filters and the form."""
        query = self.read_list_filters(q=None, state=STATES)
        return {
            "title": _("Deployments"),
            "list": key_page(deployment_list(query), query),
            "query": query,
            "states": STATES,
            "is_filtered": any(query.get(key) for key in ("q", "state")),
            "why_not_open": self.access.why_not(Act.DEPLOY),
            "adapters": Adapter.objects.order_by("name", "pk")[:ADAPTERS_OFFERED],
            "base_models": base_models()[:ADAPTERS_OFFERED],
        }

    def open_new(self) -> Said:
        """Open a public name; nothing answers before a version is rolled out."""
        self.access.require(Act.DEPLOY)
        posted = self.request.POST
        ref, base = posted.get("adapter", "").strip(), posted.get("base_model", "")
        if not ref and not base:
            raise Invalid(
                _("Nothing was chosen to be served."), fix=_("Name an adapter or a base model.")
            )
        adapter = adapter_by_ref(ref) if ref else None
        made = deployments.create(
            public_name=posted.get("public_name", "").strip(),
            title=posted.get("title", "").strip(),
            adapter=adapter,
            base_model=adapter.base_model if adapter else base_model_by_name(base),
            output_contract=_contract(posted),
            user=self.access.user,
            actor=self.access.actor,
        )
        said = _("%(public_name)s is open. It answers once a version is rolled out to it.") % {
            "public_name": made.public_name
        }
        return said, reverse("admin:deployment", args=[made.public_name])


def _contract(posted: Any) -> dict[str, Any]:
    """The output contract of the form; what was left empty promises nothing."""
    contract: dict[str, Any] = {}
    if text := posted.get("max_tokens", "").strip():
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise Invalid(
                _("The longest answer is no whole number of tokens."),
                fix=_("Write it as 6, or nothing."),
            )
        contract["max_tokens"] = int(text)
    if text := posted.get("pattern", ""):
        contract["pattern"] = text
    if posted.get("must_end"):
        contract["stop_reasons"] = ["stop"]
    return contract


class DeploymentView(Page):
    """One deployment."""

    template_name = "console/deployment.html"
    acts: ClassVar = {"start": "start", "roll-back": "roll_back", "stop": "stop"}
    deployment: Deployment

    def read(self, **kwargs: Any) -> None:
        """The deployment that the path names."""
        self.deployment = deployment_by_name(kwargs["name"])

    def context(self) -> dict[str, Any]:
        """What answers, how it did, how it came, and what may be done about it."""
        row = self.deployment
        page = deployment_page(row)
        why_not = self._why_not(page)
        asked, problem = _moment(self.request.GET.get("at", ""))
        return {
            "title": row.title or row.public_name,
            "crumbs": [
                crumb(_("Deployments"), reverse("admin:deployments")),
                crumb(row.public_name),
            ],
            "deployment": row,
            "page": page,
            "then": live_at(row, asked) if asked else None,
            "at_text": self.request.GET.get("at", ""),
            "at_problem": problem,
            "latest_at": clock.now(),
            "strategies": {key: STRATEGIES.get(key, key) for key in CHOSEN_BY_PEOPLE},
            "why_not": why_not,
            "previews": []
            if why_not["start"] or not page.versions
            else previews([row], page.versions[0]),
        }

    def _why_not(self, page: DeploymentPage) -> dict[str, str]:
        may = self.access.why_not
        live = "" if page.version else _("No version is live here.")
        return {
            "start": may(Act.DEPLOY) or page.why_no_start,
            "roll_back": may(Act.DEPLOY) or page.why_no_rollback,
            "stop": may(Act.STOP) or live or (_("It is stopped already.") if page.stop else ""),
        }

    @property
    def _reason(self) -> str:
        return self.request.POST.get("reason", "")

    def start(self) -> Said:
        """Begin to move it to another version, or to the base where it serves that."""
        self.access.require(Act.DEPLOY)
        posted, row = self.request.POST, self.deployment
        version = None
        if row.adapter_id is not None:
            if not posted.get("version"):
                raise Invalid(_("No version was chosen."), fix=_("Choose an approved version."))
            version = version_by_ref(posted["version"])
        made = rollouts.start(
            deployment=row,
            version=version,
            user=self.access.user,
            actor=self.access.actor,
            strategy=posted.get("strategy", ""),
            reason=self._reason,
        )
        return _("The rollout has begun."), reverse("admin:rollout", args=[made.uuid])

    def roll_back(self) -> Said:
        """Bring the version before back; what is left is the one on the page that was read."""
        self.access.require(Act.DEPLOY)
        leaving = self.request.POST.get("leaving", "")
        made = rollbacks.start(
            deployment=self.deployment,
            reason=self._reason,
            user=self.access.user,
            actor=self.access.actor,
            leaving=version_by_ref(leaving) if leaving else None,
        )
        said = _("Rolling back: requests go to the former version at once.")
        return said, reverse("admin:rollout", args=[made.uuid])

    def stop(self) -> Said:
        """Withdraw the live version's digest everywhere."""
        # The digest of the page that was read: what is live may be another one by now.
        digest = self.request.POST.get("digest", "")
        stops.issue(
            digest=digest, reason=self._reason, user=self.access.user, actor=self.access.actor
        )
        return _("Stopped everywhere. Two people can release it, on the version's page."), ""


def _moment(text: str) -> tuple[datetime | None, str]:
    """A moment of the form (UTC), and what is wrong with it; no text is no moment."""
    if not text:
        return None, ""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None, _("“%(text)s” is no moment; write it as 2026-11-21T10:30.") % {
            "text": text[:40]
        }
    if moment > clock.now():
        return None, _("That moment has not come yet.")
    return moment, ""
