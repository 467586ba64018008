"""Paths of the SageMaker contract; mounted at the root and under /sagemaker/.

``/invocations`` is the gateway's: it never comes here (``config.asgi``).
"""

from django.urls import URLPattern, path

from serving.api import open_paths, sagemaker

urlpatterns: list[URLPattern] = [
    path("ping", open_paths.ping),
    path("adapters", sagemaker.Registrations.as_view()),
    path("adapters/<str:adapter_name>", sagemaker.RegistrationDetail.as_view()),
]
