"""In which form a contract's client is read and answered: the contract's, whatever it asks for."""

from collections.abc import Iterable

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class AnyAccept(DefaultContentNegotiation):
    """For contracts whose originals never looked at ``Accept``.

    Who wants ``text/plain`` or ``application/zip`` gets what the contract answers and its errors
    as JSON, never a 406.
    """

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The first."""
        first = next(iter(renderers))
        return first, first.media_type


class AsTheContractSays(AnyAccept):
    """The same, and a body that says nothing of its kind is read as the first parser reads it."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        """The parser of the body's kind; the first where the body names none."""
        if not request.content_type:
            return next(iter(parsers))
        return super().select_parser(request, parsers)
