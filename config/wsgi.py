"""WSGI entry: Django alone. The data plane (``/v1/*``) needs ASGI; see ``config/asgi.py``."""

import os
from importlib import import_module

from config.core.starting import undisturbed_imports

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ["FORMULARY_PROCESS"] = "web"
with undisturbed_imports():
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
    # All pages and views: else the first request would wait for them.
    import_module(settings.ROOT_URLCONF)
