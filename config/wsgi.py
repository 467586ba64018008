"""WSGI entry: Django alone. The data plane (``/v1/*``) needs ASGI; see ``config/asgi.py``."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ["FORMULARY_PROCESS"] = "web"
application = get_wsgi_application()
