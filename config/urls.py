"""The table of all paths."""

from django.urls import include, path
from django.views.generic import RedirectView

from config.console.sites import console
from config.core import problems
from config.core.runbooks import page as runbook_page
from serving.api import open_paths

urlpatterns = [
    path("", RedirectView.as_view(url="/console/")),
    path("admin/", RedirectView.as_view(url="/console/")),
    path("accounts/", include("allauth.urls")),
    path("api/v1/", include("config.api_urls")),
    path("console/", console.urls),
    path("docs/problems/<slug:code>", problems.page),
    path("docs/runbooks/<slug:name>", runbook_page),
    path("health", open_paths.health),
    path("health/live", open_paths.live),
    path("metrics", open_paths.metrics),
    path("sagemaker/", include("serving.api.sagemaker_urls")),
    path("manager/", include("deliveries.api.manager_urls")),
    path("lambda/", include("registry.api.artifact_urls")),
    path("avatar/", include("registry.api.avatar_urls")),
    path("", include("config.root_paths")),
]
handler403 = "config.core.problems.forbidden"
handler404 = "config.core.problems.not_found"
handler500 = "config.core.problems.server_error"
