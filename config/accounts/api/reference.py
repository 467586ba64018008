"""The API's reference page."""

from csp.decorators import csp_update
from django.utils.decorators import method_decorator
from drf_spectacular.views import SpectacularRedocView


@method_decorator(csp_update({"style-src": ["'unsafe-inline'"]}), name="dispatch")
class ReferencePage(SpectacularRedocView):
    """Redoc from its wheel: our template asks no foreign server for fonts.

    Redoc writes styles into the page, so this page alone allows them; its search is off, because
    it would need a script made at run time.
    """

    url_name = "schema"
    template_name = "api/redoc.html"
