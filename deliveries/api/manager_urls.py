"""Paths of the LoRA manager contract; mounted at the root and under /manager/."""

from django.urls import URLPattern, path

from serving.api.open_paths import health

from .manager_adapters import (
    AdapterActivation,
    AdapterDeactivation,
    AdapterDetail,
    AdapterList,
)
from .manager_compose import Compose
from .manager_deliveries import ManagerDelivery, ManagerDeliveryList

urlpatterns: list[URLPattern] = [
    path("adapters", AdapterList.as_view()),
    path("adapters/<uuid:uuid>", AdapterDetail.as_view()),
    path("adapters/<uuid:uuid>/activate", AdapterActivation.as_view()),
    path("adapters/<uuid:uuid>/deactivate", AdapterDeactivation.as_view()),
    path("compose", Compose.as_view()),
    path("deliveries", ManagerDeliveryList.as_view()),
    path("deliveries/<uuid:uuid>", ManagerDelivery.as_view()),
    path("health", health),
]
