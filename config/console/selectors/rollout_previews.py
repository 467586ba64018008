"""What a rollout of a version would take, for each deployment and strategy that could begin it."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.models import Version
from serving.models import Deployment
from serving.selectors.previews import Preview, preview
from serving.strategies import CHOSEN_BY_PEOPLE, STRATEGIES

DEPLOYMENTS_SHOWN = 3


@dataclass(frozen=True)
class PreviewLine:
    """One choice of the form and what it costs."""

    deployment: str
    title: str
    preview: Preview


def previews(deployments: Sequence[Deployment], version: Version) -> list[PreviewLine]:
    """The choices for the first few deployments that do not serve these bytes already."""
    free = [
        row
        for row in deployments
        if row.stable_revision is None or row.stable_revision.digest != version.digest
    ]
    return [
        PreviewLine(row.public_name, STRATEGIES[key].title, preview(row, version, strategy=key))
        for row in free[:DEPLOYMENTS_SHOWN]
        for key in CHOSEN_BY_PEOPLE
    ]
