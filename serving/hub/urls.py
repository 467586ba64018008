"""Paths of the Hub endpoint, at the root."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
