"""The table of all paths."""

from django.urls import include, path
from django.views.generic import RedirectView

from config.console.sites import console
from config.contracts import CONTRACTS, unknown_below
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
    # Every contract under a mount of its own, where nothing has to be told apart.
    *(path(f"{contract.mount}/", include(contract.urls)) for contract in CONTRACTS),
    *(unknown_below(contract) for contract in CONTRACTS),
    path("", include("config.root_paths")),
]
handler403 = "config.core.problems.forbidden"
handler404 = "config.core.problems.not_found"
handler500 = "config.core.problems.server_error"
