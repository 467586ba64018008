"""The console's own pages, inside the admin site's namespace."""

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, path

from config.console.views.adapters import AdaptersView, AdapterView
from config.console.views.audit import AuditExportView, AuditView
from config.console.views.nodes import NodesView
from config.console.views.rollouts import RolloutsView, RolloutView, rollout_events
from config.console.views.signing import SigningView
from config.console.views.today import TodayView
from config.console.views.versions import VersionView


def pages(wrap: Callable[..., Callable[..., Any]]) -> list[URLPattern]:
    """Paths under /console/; ``wrap`` lets only accounts of the console in."""
    rollout = "rollouts/<uuid:uuid>/"
    return [
        path("", wrap(TodayView.as_view()), name="index"),
        path("adapters/", wrap(AdaptersView.as_view()), name="adapters"),
        path("adapters/<str:ref>/", wrap(AdapterView.as_view()), name="adapter"),
        path("versions/<uuid:uuid>/", wrap(VersionView.as_view()), name="version"),
        path("approval-requests/<uuid:uuid>/sign/", wrap(SigningView.as_view()), name="sign"),
        path("rollouts/", wrap(RolloutsView.as_view()), name="rollouts"),
        path(rollout, wrap(RolloutView.as_view()), name="rollout"),
        path(f"{rollout}events", wrap(rollout_events), name="rollout-events"),
        path("nodes/", wrap(NodesView.as_view()), name="nodes"),
        path("audit/", wrap(AuditView.as_view()), name="audit"),
        path("audit/export.csv", wrap(AuditExportView.as_view()), name="audit-export"),
    ]
