"""Refusals with a status, and how any framework's refusal is written in the contract's shape."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from config.core.errors import DomainError
from serving.sagemaker.constants import ResponseMessage
from serving.sagemaker.responses import Response


class HTTPException(Exception):
    """A refusal: ``detail`` says what is wrong and never repeats what the client sent."""

    def __init__(
        self, status_code: int, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status_code = status_code
        self.detail = detail
        self.headers = dict(headers or {})


class RequestInvalid(HTTPException):
    """400: the request can't be read or lacks something."""

    def __init__(self, detail: str) -> None:
        super().__init__(400, detail)


class FieldsInvalid(RequestInvalid):
    """400: all that is wrong with the fields; ``detail`` is the JSON text of a list.

    Each item is ``{"type", "loc", "msg"}``; the value itself is left out.
    """

    def __init__(self, errors: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(json.dumps(list(errors)))
        self.errors = list(errors)


class AdapterNotFound(HTTPException):
    """404: no adapter of this name; the caller's alias stands in its place where there is one."""

    def __init__(self, name: str) -> None:
        super().__init__(404, ResponseMessage.ADAPTER_NOT_FOUND.format(alias=name))


def refusal_of(error: Exception, *, alias: str | None = None) -> Response | None:
    """The answer to ``error``, or None where it is no refusal but a fault.

    Refusals are the exceptions here, those of our own tree, and whatever carries ``status_code``
    and ``detail`` (Starlette, REST framework).
    """
    if isinstance(error, DomainError):
        headers = {}
        if error.retry_after_seconds is not None:
            headers["Retry-After"] = str(error.retry_after_seconds)
        detail = f"{error.message} {error.fix}".strip()
        return Response({"detail": detail}, error.status, headers)
    if isinstance(error, AdapterNotFound) and alias:
        detail = ResponseMessage.ADAPTER_NOT_FOUND.format(alias=alias)
        return Response({"detail": detail}, error.status_code)
    status, words = getattr(error, "status_code", None), getattr(error, "detail", None)
    if not isinstance(status, int) or words is None:
        return None
    return Response({"detail": words}, status, getattr(error, "headers", None))
