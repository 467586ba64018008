"""The outward contracts at the root, exactly as their clients call them."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("serving.api.sagemaker_urls")),
    path("", include("deliveries.api.manager_urls")),
    path("", include("registry.api.artifact_urls")),
    path("", include("registry.api.avatar_urls")),
    path("", include("serving.hub.urls")),
]
