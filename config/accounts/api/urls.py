"""Paths of the accounts' API, under /api/v1/."""

from django.urls import path

from .views import TokenDetail, TokenList

urlpatterns = [
    path("tokens", TokenList.as_view()),
    path("tokens/<uuid:uuid>", TokenDetail.as_view(), name="token"),
]
