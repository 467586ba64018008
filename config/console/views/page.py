"""The base of all pages: the site's context, and acts whose refusal is shown on the page."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views import View

from config.console.access import Access, access_of
from config.console.asked import Filter, is_key, read_query
from config.console.sites import console
from config.core.errors import DomainError, Invalid
from config.core.texts import find_unstorable


class Page(View):
    """A page of the console.

    ``acts`` maps the value of a form's ``act`` button to the method that calls the service and
    returns what to tell; a refusal is shown on the same page, with its status.
    """

    template_name: ClassVar[str]
    acts: ClassVar[Mapping[str, str]] = {}
    request: HttpRequest
    notices: Sequence[str] = ()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Read what the page is about; a refusal to read becomes a page that says so."""
        self.access: Access = access_of(request)
        try:
            self.access.require_reading()
            self.read(**kwargs)
            return super().dispatch(request, *args, **kwargs)
        except DomainError as error:
            return self.refused(error)

    def read(self, **kwargs: Any) -> None:
        """Load what the path names, once for showing and acting."""

    def context(self) -> dict[str, Any]:
        """What the template shows."""
        return {}

    def read_filters(self, **filters: Filter) -> dict[str, str]:
        """The filters that the address holds; those left out are told at the top of the page."""
        query, self.notices = read_query(self.request.GET, filters)
        return query

    def read_list_filters(self, **filters: Filter) -> dict[str, str]:
        """As ``read_filters``, of a list that has further pages."""
        return self.read_filters(**filters, before=is_key)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show the page."""
        return self.show()

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Do the act that the form names, then show the page anew."""
        name = self.acts.get(request.POST.get("act", ""))
        if name is None:
            return HttpResponseBadRequest(_("The form names no act of this page."))
        try:
            self._require_storable(request)
            said, target = getattr(self, name)()
        except DomainError as error:
            self.read(**kwargs)
            return self.show(refusal=error, posted=request.POST)
        messages.success(request, said)
        return redirect(target or request.get_full_path())

    def _require_storable(self, request: HttpRequest) -> None:
        place, why = find_unstorable(dict(request.POST.lists()))
        if why:
            raise Invalid(
                _("In this form %(field)s %(why)s. Nothing was done.")
                % {"field": place.split("/")[1] if place else _("a field"), "why": why},
                fix=_("Type it anew: copied text can hold characters that nobody sees."),
            )

    def show(
        self, *, refusal: DomainError | None = None, posted: Mapping[str, Any] | None = None
    ) -> HttpResponse:
        """The page, with the refusal of an act where there was one."""
        context = {
            **console.each_context(self.request),
            "access": self.access,
            "posted": posted or {},
            **self.context(),
            "refusal": refusal,
            "notices": self.notices,
        }
        self.request.current_app = console.name
        return TemplateResponse(
            self.request, self.template_name, context, status=refusal.status if refusal else 200
        )

    def refused(self, error: DomainError) -> HttpResponse:
        """A page that only says what is wrong."""
        body = {
            "status": error.status,
            "title": error.title,
            "detail": error.message,
            "fix": error.fix,
        }
        return render(self.request, "problem.html", {"problem": body}, status=error.status)


def crumb(text: str, url: str = "") -> dict[str, str]:
    """One step of the way to a page."""
    return {"text": text, "url": url}
