"""Paths of the SageMaker contract; mounted at the root and under /sagemaker/."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
