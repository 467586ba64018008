"""The list of deployments."""

from collections.abc import Mapping

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.utils.translation import gettext_noop

from compliance.models import Stop
from config.console import words
from serving.models import Deployment, Rollout
from serving.states import OPEN_ROLLOUT_STATES

STATES = words.Texts(
    {
        "live": gettext_noop("answering"),
        "empty": gettext_noop("nothing live yet"),
        "rolling": gettext_noop("a rollout under way"),
        "stopped": gettext_noop("its version is stopped"),
    }
)


def deployment_list(query: Mapping[str, str]) -> QuerySet[Deployment]:
    """Deployments with what the list shows; filters stand in the address."""
    rolling = Rollout.objects.filter(state__in=OPEN_ROLLOUT_STATES)
    stops = Stop.objects.filter(
        digest=OuterRef("stable_revision__digest"), released_at__isnull=True
    )
    rows = (
        Deployment.objects.select_related(
            "adapter", "base_model", "stable_revision__version__adapter"
        )
        .annotate(is_stopped=Exists(stops))
        .prefetch_related(
            Prefetch(
                "rollouts",
                queryset=rolling.select_related("to_revision__version__adapter"),
                to_attr="open_rollouts",
            )
        )
    )
    if text := query.get("q", "").strip():
        rows = rows.filter(
            Q(public_name__icontains=text)
            | Q(title__icontains=text)
            | Q(adapter__name__icontains=text)
            | Q(adapter__slug__icontains=text)
        )
    state = query.get("state", "")
    if state == "live":
        rows = rows.filter(stable_revision__isnull=False, is_stopped=False)
    elif state == "empty":
        rows = rows.filter(stable_revision__isnull=True)
    elif state == "rolling":
        rows = rows.filter(Exists(rolling.filter(deployment=OuterRef("pk"))))
    elif state == "stopped":
        rows = rows.filter(is_stopped=True)
    return rows
