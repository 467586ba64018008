"""Paths of the artifact contract; mounted at the root and under /lambda/."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
