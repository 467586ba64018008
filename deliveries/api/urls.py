"""Paths of the deliveries API, under /api/v1/."""

from django.urls import URLPattern, path

from .deliveries import DeliveryDetail, DeliveryList
from .webhooks import WebhookDetail, WebhookList

urlpatterns: list[URLPattern] = [
    path("deliveries", DeliveryList.as_view()),
    path("deliveries/<uuid:uuid>", DeliveryDetail.as_view()),
    path("webhooks", WebhookList.as_view()),
    path("webhooks/<uuid:uuid>", WebhookDetail.as_view()),
]
