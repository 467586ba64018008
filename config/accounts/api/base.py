"""The base of every room's API views: actor, audit of refusals, paging."""

from collections.abc import Mapping
from typing import Any, ClassVar

from auditlog.context import auditlog_value
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from drf_spectacular.utils import OpenApiResponse
from rest_framework import exceptions
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from config.accounts.authentication import actor_of_request
from config.accounts.events import AccessRefused
from config.accounts.models import User
from config.core.actors import Actor
from config.core.addresses import asked_for
from config.core.database_errors import as_busy
from config.core.errors import DomainError, ErrorKind
from config.core.events import publish
from config.core.requests import StrictRequest

from .idempotency import IdempotentView
from .queries import QueryInvalid, refuse_unknown, whole_number
from .serializers import ProblemSerializer

_Problem = OpenApiResponse(ProblemSerializer, description="A problem document (RFC 9457)")
# For ``extend_schema(responses={200: …, **PROBLEMS})``.
PROBLEMS: Mapping[tuple[int, str], OpenApiResponse] = {
    (status, "application/problem+json"): _Problem for status in (400, 401, 403, 404, 409, 422)
}


def problems(*more: int) -> Mapping[tuple[int, str], OpenApiResponse]:
    """``PROBLEMS`` and those of a view that may answer with these statuses besides."""
    return {**PROBLEMS, **{(status, "application/problem+json"): _Problem for status in more}}


# Keys are 64-bit in every database that we run on.
MAX_KEY = 2**63 - 1


class RequestTooLarge(DomainError):
    """The request has more bytes, fields or files than are taken."""

    code = "request-too-large"
    title = "The request is too large"
    kind = ErrorKind.TOO_LARGE


class ApiView(IdempotentView):
    """A view of the API; subclasses set ``permission_classes = [needs(Act.X)]``.

    ``query_names``: the parameters that reading takes; others are refused. None: whatever comes.
    """

    query_names: ClassVar[frozenset[str] | None] = None

    @property
    def actor(self) -> Actor:
        """Who asks, as the audit trail writes it."""
        return actor_of_request(self.request)

    @property
    def user(self) -> User:
        """The signed-in account, or the account of the token."""
        user = self.request.user
        if not isinstance(user, User):
            raise exceptions.NotAuthenticated
        return user

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """The request as the view sees it: its body holds only what can be stored."""
        return StrictRequest(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate and authorise, then tell auditlog who it is.

        auditlog's middleware runs before REST framework knows the bearer of a token.
        """
        super().initial(request, *args, **kwargs)
        context = auditlog_value.get(None)
        if context is not None:
            context["actor"] = request.user
        if self.query_names is not None and request.method in {"GET", "HEAD"}:
            refuse_unknown(request.query_params, allowed=self.query_names)

    def handle_exception(self, exc: Exception) -> Response:
        """Write a refused attempt into the audit trail, then answer with a problem document."""
        if isinstance(exc, exceptions.PermissionDenied) and self._is_known():
            with transaction.atomic():
                publish(
                    AccessRefused(
                        actor=self.actor,
                        object_type="path",
                        object_id=asked_for(self.request),
                        reason=str(exc.detail)[:500],
                    )
                )
        exc = as_busy(exc) or exc
        if isinstance(exc, RequestDataTooBig | TooManyFilesSent | TooManyFieldsSent):
            exc = RequestTooLarge(str(exc), fix="Send fewer or smaller parts in one request.")
        return super().handle_exception(exc)

    def _is_known(self) -> bool:
        # CSRF failures come here too, before anybody is authenticated.
        return isinstance(getattr(self.request, "_user", None), User)


class KeysetPagination(CursorPagination):
    """Pages by key, newest first: a page costs the same however deep it lies."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    ordering = "-pk"

    def get_page_size(self, request: Request) -> int:
        """How many rows are asked for.

        Raises:
            QueryInvalid: it is no whole number from 1 to ``max_page_size``.
        """
        return whole_number(
            request.query_params,
            self.page_size_query_param,
            low=1,
            high=self.max_page_size,
            default=self.page_size,
        )

    def decode_cursor(self, request: Request) -> Cursor | None:
        """The cursor in the query.

        Raises:
            QueryInvalid: it is not one that we gave: positions are whole numbers.
        """
        try:
            cursor = super().decode_cursor(request)
        except exceptions.NotFound as error:
            raise _no_cursor() from error
        if cursor is None:
            return None
        if cursor == _NOWHERE:
            raise _no_cursor()
        if cursor.position is not None:
            position = str(cursor.position)
            is_number = position.isascii() and position.isdigit()
            if not is_number or int(position[:20]) > MAX_KEY:
                raise _no_cursor()
        return cursor


# What any text without a position reads as: the first page, which nobody asks for by a cursor.
_NOWHERE = Cursor(offset=0, reverse=False, position=None)


def _no_cursor() -> QueryInvalid:
    return QueryInvalid(
        "cursor",
        "The cursor is none that was given here.",
        fix="Take the address in next or previous as it is, or leave cursor out.",
    )


class ListView(ApiView):
    """A view whose GET answers with a page of rows; subclasses add their filters' names."""

    pagination_class = KeysetPagination
    query_names: ClassVar[frozenset[str]] = frozenset({"limit", "cursor"})

    def page(self, rows: QuerySet[Any], serializer: type[BaseSerializer[Any]]) -> Response:
        """The page of ``rows`` that the request asks for, newest first."""
        pages = self.pagination_class()
        found = pages.paginate_queryset(rows, self.request, view=self)
        return pages.get_paginated_response(serializer(found, many=True).data)
