"""Paths of the avatar contract; mounted at the root and under /avatar/."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
