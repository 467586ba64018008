"""The base of the avatar contract's views: whose avatar it is, and the form of its errors."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import transaction
from django.http import StreamingHttpResponse
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.api.base import ApiView
from config.accounts.events import AccessRefused
from config.core import problems
from config.core.addresses import asked_for
from config.core.events import publish
from config.core.negotiation import AnyAccept
from registry import avatar_selectors
from registry.domain.avatars import AvatarKeys, FlagInvalid, parse_flag
from registry.models import Avatar

_KEPT = ("detail", "code", "request_id", "fix", "errors")


class AvatarErrorSerializer(serializers.Serializer[None]):
    """An error of the avatar contract."""

    detail = serializers.CharField()
    code = serializers.CharField()
    request_id = serializers.CharField()
    fix = serializers.CharField(required=False)
    errors = serializers.ListField(  # type: ignore[assignment]
        child=serializers.DictField(), required=False
    )


_Error = OpenApiResponse(AvatarErrorSerializer, description="What is wrong, and how to mend it")


def errors(*more: int) -> Mapping[int, OpenApiResponse]:
    """For ``extend_schema(responses={200: …, **errors(409)})``: those of every view, and more."""
    return dict.fromkeys(sorted({400, 401, 403, 404, 405, 503, *more}), _Error)


class AvatarView(ApiView):
    """A view of the contract. Where its path names a user, that must be the caller himself."""

    content_negotiation_class = AnyAccept

    def check_permissions(self, request: Request) -> None:
        """Roles and scopes first, then whose data it is: others' are not there for anybody.

        Raises:
            AvatarNotFound: the path names another account, whether it exists or not.
        """
        super().check_permissions(request)
        named = self.kwargs.get("user_id")
        if named is None or named == self.user.get_username():
            return
        with transaction.atomic():
            publish(
                AccessRefused(
                    actor=self.actor,
                    object_type="path",
                    object_id=asked_for(request),
                    reason="The path names another account.",
                )
            )
        raise avatar_selectors.no_avatar()

    def handle_exception(self, exc: Exception) -> Response:
        """Audited as everywhere; the body is the contract's ``{"detail": …}``."""
        answer = super().handle_exception(exc)
        if isinstance(answer, Response) and answer.content_type == problems.CONTENT_TYPE:
            answer.data = {key: answer.data[key] for key in _KEPT if key in answer.data}
            answer.content_type = None
        return answer

    def avatar(self, avatar_id: str) -> Avatar:
        """The caller's own avatar.

        Raises:
            AvatarNotFound: he has none of this name.
        """
        return avatar_selectors.avatar_of(owner=self.user, name=avatar_id)

    def named(self, avatar_id: str) -> dict[str, str]:
        """What every answer begins with."""
        return {"user_id": self.user.get_username(), "avatar_id": avatar_id}

    def keys(self, avatar_id: str) -> AvatarKeys:
        """Logical keys of what the avatar has."""
        return AvatarKeys(self.user.get_username(), avatar_id)


def flag_of(request: Request, name: str, *, body: Any = None, default: bool | None = None) -> bool:
    """A yes or no in the query or in the body.

    Raises:
        FlagInvalid: it is neither, missing without a default, or said twice and differently.
    """
    said = []
    if name in request.query_params:
        said.append(parse_flag(request.query_params[name], name))
    given = body.get(name) if isinstance(body, Mapping) else None
    if isinstance(given, bool):
        said.append(given)
    elif given is not None:
        said.append(parse_flag(str(given)[:20], name))
    if len(set(said)) > 1:
        raise FlagInvalid(f"{name} differs between address and body.", fix="Say it in one place.")
    if said:
        return said[0]
    if default is None:
        raise FlagInvalid(f"{name} is missing.", fix=f"Send {name}=true or false.")
    return default


class Stream:
    """An answer of bytes that come while they are made, closed with the connection."""

    def __init__(self, pieces: Iterator[bytes], close: Any = None) -> None:
        self._pieces = pieces
        self._close = close

    def answer(self, request: Request, *, content_type: str) -> StreamingHttpResponse:
        """The streaming answer; under ASGI Django would hold a synchronous one in memory."""
        is_async = isinstance(request._request, ASGIRequest)
        return StreamingHttpResponse(
            self._asynchronously() if is_async else self._synchronously(),
            content_type=content_type,
        )

    def _end(self) -> None:
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()
        if self._close is not None:
            self._close()

    def _synchronously(self) -> Iterator[bytes]:
        try:
            yield from self._pieces
        finally:
            self._end()

    async def _asynchronously(self) -> AsyncIterator[bytes]:
        step = sync_to_async(lambda: next(self._pieces, None), thread_sensitive=False)
        try:
            while (piece := await step()) is not None:
                yield piece
        finally:
            self._end()
