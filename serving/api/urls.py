"""Paths of serving's API, under /api/v1/."""

from django.urls import path

from . import deployments, engine_profiles, health, nodes, rollouts, work

urlpatterns = [
    path("health", health.Health.as_view()),
    path("alerts", health.AlertList.as_view()),
    path("nodes", nodes.NodeList.as_view()),
    path("nodes/<slug:name>", nodes.NodeDetail.as_view()),
    path("nodes/<slug:name>/disable", nodes.NodeSwitch.as_view(is_enabled=False)),
    path("nodes/<slug:name>/enable", nodes.NodeSwitch.as_view(is_enabled=True)),
    path("engine-profiles", engine_profiles.ProfileList.as_view()),
    path("engine-profiles/<slug:name>", engine_profiles.ProfileDetail.as_view()),
    path("replicas", nodes.ReplicaList.as_view()),
    path("replicas/<uuid:uuid>/work", work.Work.as_view()),
    path("replicas/<uuid:uuid>/claim", work.Claim.as_view()),
    path("replicas/<uuid:uuid>/ready", work.Ready.as_view()),
    path("replicas/<uuid:uuid>/failed", work.Failed.as_view()),
    path("replicas/<uuid:uuid>/unloaded", work.Unloaded.as_view()),
    path("deployments", deployments.DeploymentList.as_view()),
    path("deployments/<str:name>", deployments.DeploymentDetail.as_view()),
    path("deployments/<str:name>/counts", deployments.DeploymentCounts.as_view()),
    path("deployments/<str:name>/expectation", deployments.DeploymentExpectation.as_view()),
    path("deployments/<str:name>/rollback", deployments.DeploymentRollback.as_view()),
    path("rollouts", rollouts.RolloutList.as_view()),
    path("rollouts/preview", rollouts.RolloutPreview.as_view()),
    path("rollouts/<uuid:uuid>", rollouts.RolloutDetail.as_view()),
    path("rollouts/<uuid:uuid>/evidence", rollouts.RolloutEvidence.as_view()),
    path("rollouts/<uuid:uuid>/pause", rollouts.RolloutPause.as_view()),
    path("rollouts/<uuid:uuid>/resume", rollouts.RolloutResume.as_view()),
    path("rollouts/<uuid:uuid>/promote", rollouts.RolloutPromote.as_view()),
    path("rollouts/<uuid:uuid>/abort", rollouts.RolloutAbort.as_view()),
]
