"""The console's own pages, inside the admin site's namespace."""

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, path

from config.console.views.adapters import AdaptersView, AdapterView
from config.console.views.approvals import ApprovalsView
from config.console.views.audit import AuditExportView, AuditView
from config.console.views.avatars import AvatarsView, AvatarView
from config.console.views.compare import CompareView
from config.console.views.deployments import DeploymentsView, DeploymentView
from config.console.views.engine_profiles import EngineProfilesView
from config.console.views.evaluations import EvaluationView, evaluation_progress
from config.console.views.holds import HoldsView
from config.console.views.nodes import NodesView
from config.console.views.playground import (
    PlaygroundAnswersView,
    PlaygroundReportView,
    PlaygroundView,
)
from config.console.views.rollouts import RolloutsView, RolloutView, rollout_events
from config.console.views.signing import SigningView
from config.console.views.system import SystemView
from config.console.views.today import TodayView
from config.console.views.training import (
    TrainingRunsView,
    TrainingRunView,
    training_progress,
)
from config.console.views.versions import VersionsView, VersionView


def pages(wrap: Callable[..., Callable[..., Any]]) -> list[URLPattern]:
    """Paths under /console/; ``wrap`` lets only accounts of the console in."""
    rollout = "rollouts/<uuid:uuid>/"
    return [
        path("", wrap(TodayView.as_view()), name="index"),
        path("adapters/", wrap(AdaptersView.as_view()), name="adapters"),
        path("adapters/<str:ref>/", wrap(AdapterView.as_view()), name="adapter"),
        path("versions/", wrap(VersionsView.as_view()), name="versions"),
        path("versions/<uuid:uuid>/", wrap(VersionView.as_view()), name="version"),
        path("compare/", wrap(CompareView.as_view()), name="compare"),
        path("evaluations/<uuid:uuid>/", wrap(EvaluationView.as_view()), name="evaluation"),
        path(
            "evaluations/<uuid:uuid>/progress",
            wrap(evaluation_progress),
            name="evaluation-progress",
        ),
        path("approval-requests/", wrap(ApprovalsView.as_view()), name="approvals"),
        path("approval-requests/<uuid:uuid>/sign/", wrap(SigningView.as_view()), name="sign"),
        path("deployments/", wrap(DeploymentsView.as_view()), name="deployments"),
        path("deployments/<str:name>/", wrap(DeploymentView.as_view()), name="deployment"),
        path("rollouts/", wrap(RolloutsView.as_view()), name="rollouts"),
        path(rollout, wrap(RolloutView.as_view()), name="rollout"),
        path(f"{rollout}events", wrap(rollout_events), name="rollout-events"),
        path("training/", wrap(TrainingRunsView.as_view()), name="training-runs"),
        path("training/<uuid:uuid>/", wrap(TrainingRunView.as_view()), name="training-run"),
        path("training/<uuid:uuid>/progress", wrap(training_progress), name="training-progress"),
        path("avatars/", wrap(AvatarsView.as_view()), name="avatars"),
        path("avatars/<str:name>/", wrap(AvatarView.as_view()), name="avatar"),
        path("playground/", wrap(PlaygroundView.as_view()), name="playground"),
        path(
            "playground/answers",
            wrap(PlaygroundAnswersView.as_view()),
            name="playground-answers",
        ),
        path("playground/report", wrap(PlaygroundReportView.as_view()), name="playground-report"),
        path("nodes/", wrap(NodesView.as_view()), name="nodes"),
        path("engine-profiles/", wrap(EngineProfilesView.as_view()), name="engine-profiles"),
        path("holds/", wrap(HoldsView.as_view()), name="holds"),
        path("system/", wrap(SystemView.as_view()), name="system"),
        path("audit/", wrap(AuditView.as_view()), name="audit"),
        path("audit/export.csv", wrap(AuditExportView.as_view()), name="audit-export"),
    ]
