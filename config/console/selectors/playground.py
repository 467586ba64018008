"""What the playground shows: which versions may be asked, and why others may not."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from compliance.models import EvaluationSet
from compliance.selectors.stops import is_stopped
from registry.models import Version
from serving.models import Deployment
from serving.selectors.deployments import deployments
from serving.selectors.playground import Candidate, candidates, forms

MAX_DEPLOYMENTS = 100


@dataclass(frozen=True)
class PlaygroundPage:
    """``candidate`` is the chosen one; ``why_no_candidate`` says why there is none to choose."""

    deployments: list[Deployment]
    deployment: Deployment | None
    stable: Version | None
    is_stable_stopped: bool
    candidates: list[Candidate]
    candidate: Candidate | None
    forms: list[EvaluationSet]

    @property
    def sentence(self) -> str:
        """What is compared here."""
        if self.deployment is None:
            return _("Nothing is deployed yet, so there is nothing to ask.")
        names = {
            "name": self.deployment.public_name,
            "stable": self.stable.version_name if self.stable else "",
            "candidate": self.candidate.version.version_name if self.candidate else "",
        }
        if self.stable and self.candidate:
            return (
                _("The same text goes to %(stable)s, which is live in %(name)s, and to "
                  "%(candidate)s.") % names
            )  # fmt: skip
        if self.stable:
            return _("The text goes to %(stable)s, which is live in %(name)s.") % names
        if self.candidate:
            return _("Nothing is live in %(name)s yet; the text goes to %(candidate)s.") % names
        return _("No version of %(name)s may answer now.") % names

    @property
    def why_nothing(self) -> str:
        """Why nothing can be asked; empty where something can."""
        if self.deployment is None:
            return _("A deployment begins with an approved version.")
        if self.stable is None and self.candidate is None:
            return _("A version answers once it is approved, rolled out and loaded on a node.")
        return ""


def playground_page(query: Mapping[str, str]) -> PlaygroundPage:
    """The chosen deployment and candidate; without a choice those that are most likely meant."""
    rows = [row for row in deployments()[:MAX_DEPLOYMENTS] if row.adapter_id and row.is_enabled]
    wanted = query.get("deployment", "")
    chosen = next((row for row in rows if row.public_name == wanted), rows[0] if rows else None)
    if chosen is None:
        return PlaygroundPage([], None, None, False, [], None, forms())
    found = candidates(chosen)
    uuid = query.get("candidate", "")
    by_uuid = next((row for row in found if str(row.version.uuid) == uuid), None)
    in_rollout = next((row for row in found if row.weight_percent is not None), None)
    revision = chosen.stable_revision
    stable = revision.version if revision else None
    return PlaygroundPage(
        deployments=rows,
        deployment=chosen,
        stable=stable,
        is_stable_stopped=stable is not None and is_stopped(stable.digest),
        candidates=found,
        candidate=by_uuid or in_rollout or (found[0] if found else None),
        forms=forms(),
    )
