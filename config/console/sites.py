"""The console's admin site: unfold's look, our sign-in."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.sites import UnfoldAdminSite


class ConsoleSite(UnfoldAdminSite):
    """Signs people in through allauth, so that second factors can't be walked around."""

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to the one sign-in page."""
        target = request.GET.get("next") or request.get_full_path()
        return redirect(f"{reverse('account_login')}?next={target}")


console = ConsoleSite(name="admin")
