"""The pages under docs/runbooks/, which alerts lead to."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from config.core.problems import not_found

MAX_NAME_LETTERS = 60


def page(request: HttpRequest, name: str) -> HttpResponse:
    """One runbook as text, also for who can't sign in on a bad night."""
    path = settings.BASE_DIR / "docs" / "runbooks" / f"{name}.md"
    if len(name) > MAX_NAME_LETTERS or not path.is_file():
        return not_found(request)
    return HttpResponse(path.read_text(), content_type="text/plain; charset=utf-8")
