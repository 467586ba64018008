"""The API of all rooms under /api/v1/, and its schema."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView

urlpatterns = [
    path("schema", SpectacularAPIView.as_view(), name="schema"),
    path("schema/redoc", SpectacularRedocView.as_view(url_name="schema"), name="redoc"),
    path("", include("config.accounts.api.urls")),
    path("", include("registry.api.urls")),
    path("", include("compliance.api.urls")),
]
