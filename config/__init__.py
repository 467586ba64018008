"""Composition root: settings, urls, ASGI and Celery wiring. Holds no rule."""
