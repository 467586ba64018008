"""Paths of the deliveries API, under /api/v1/."""

from django.urls import URLPattern, path

from .compositions import CompositionDetail, CompositionList
from .deliveries import DeliveryDetail, DeliveryList
from .webhooks import WebhookDetail, WebhookList

urlpatterns: list[URLPattern] = [
    path("compositions", CompositionList.as_view()),
    path("compositions/<uuid:uuid>", CompositionDetail.as_view()),
    path("deliveries", DeliveryList.as_view()),
    path("deliveries/<uuid:uuid>", DeliveryDetail.as_view()),
    path("webhooks", WebhookList.as_view()),
    path("webhooks/<uuid:uuid>", WebhookDetail.as_view()),
]
