"""Composition root: settings, urls, ASGI and Celery wiring. Holds no rule."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
