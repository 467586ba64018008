"""Paths of the LoRA manager contract; mounted at the root and under /manager/."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
