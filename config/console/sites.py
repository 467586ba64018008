"""The console's admin site: unfold's look, our pages, our sign-in."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, reverse
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext as _
from unfold.sites import UnfoldAdminSite

from config.core.admin import RECORDS
from config.core.problems import problem, respond

# unfold evaluates Alpine expressions and writes its colours into the page; nothing else may.
UNFOLD_NEEDS = {"script-src": ["'unsafe-eval'"], "style-src": ["'unsafe-inline'"]}


class ConsoleSite(UnfoldAdminSite):
    """Signs people in through allauth, so that second factors can't be walked around."""

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to the one sign-in page."""
        if self.has_permission(request):
            return redirect(f"{self.name}:index")
        if request.user.is_authenticated:
            # An account without a console would be sent round and round.
            body = problem(
                status=403,
                code="forbidden",
                title=_("This account has no console"),
                detail=_("%(name)s is the account of a program, or is closed.")
                % {"name": request.user.get_username()},
            )
            return respond(request, body)
        target = request.GET.get("next") or request.get_full_path()
        return redirect(f"{reverse('account_login')}?{urlencode({'next': target})}")

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """Let only accounts of the console in, under the console's own content policy."""
        return csp_update(UNFOLD_NEEDS)(super().admin_view(view, cacheable))

    def take_records(self) -> None:
        """Register the records that the rooms list in their ``admin`` modules."""
        autodiscover_modules("admin")
        for model, admin in RECORDS:
            if not self.is_registered(model):
                self.register(model, admin)

    def get_urls(self) -> list[URLPattern]:
        """Our pages and those of the records."""
        self.take_records()
        return super().get_urls()

    def extra_urls(self) -> list[URLPattern]:
        """Our pages, before those of the admin."""
        from config.console.urls import pages

        return pages(self.admin_view)


console = ConsoleSite(name="admin")
