"""The API of all rooms under /api/v1/, and its schema."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from config.accounts.api.reference import ReferencePage

urlpatterns = [
    path("schema", SpectacularAPIView.as_view(), name="schema"),
    path("schema/redoc", ReferencePage.as_view(), name="redoc"),
    path("", include("config.accounts.api.urls")),
    path("", include("registry.api.urls")),
    path("", include("serving.api.urls")),
    path("", include("compliance.api.urls")),
    path("", include("deliveries.api.urls")),
]
