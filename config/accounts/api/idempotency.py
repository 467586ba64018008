"""``Idempotency-Key`` on every writing request of the API."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.accounts.errors import IdempotencyKeyInvalid
from config.accounts.models import ApiToken
from config.accounts.services import idempotency
from config.core.digests import canonical_json, sha256_hex

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
MAX_LETTERS = 200
# Bodies that are held in memory anyway; of all others the headers stand for the body.
_READ = frozenset({"application/json", "application/x-www-form-urlencoded"})
_DESCRIBING = ("Content-Length", "Upload-Offset", "Upload-Length", "Upload-Checksum")
_FRESH = frozenset({"vary", "allow", "set-cookie"})


class _Replay(Exception):
    """The answer of the first request, carried out of ``initial``."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__()
        self.response = response


class IdempotentView(APIView):
    """A view whose writing methods take an idempotency key; without one nothing changes.

    The key is claimed after the caller is authenticated and allowed, before the act. Answers of
    5xx, and those that say when to try again, are not kept: they are not final.
    """

    # False where an answer holds a secret that is shown once, or what patients wrote.
    is_answer_kept: ClassVar[bool] = True
    # Headers that say what is to be done, as a body does: with another value it is another request.
    meaning_headers: ClassVar[tuple[str, ...]] = ()
    _claim: idempotency.Claim | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Handle one request, at work on its key where it has one."""
        with ExitStack() as self._work:
            response = super().dispatch(request, *args, **kwargs)
            if self._claim is not None:
                self._settle(self._claim, response)
            return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate and authorise, then claim the request's key."""
        super().initial(request, *args, **kwargs)
        if request.headers.get(HEADER) is None or request.method not in WRITING:
            return
        key = _key_of(request)
        if not (0 < len(key) <= MAX_LETTERS and key.isascii() and key.isprintable()):
            raise IdempotencyKeyInvalid(
                f"{HEADER} must have 1 to {MAX_LETTERS} printable ASCII characters.",
                fix="Send a UUID that you made for this act.",
            )
        found = idempotency.claim(
            principal=_principal(request),
            key=key,
            request=_canonical(request, self.meaning_headers),
        )
        if isinstance(found, idempotency.Answer):
            raise _Replay(_replayed(found))
        self._claim = found
        self._work.enter_context(idempotency.at_work(found))

    def handle_exception(self, exc: Exception) -> Response:
        """The first answer again, or whatever the error is answered with."""
        if isinstance(exc, _Replay):
            return exc.response  # type: ignore[return-value]
        return super().handle_exception(exc)

    def _settle(self, claim: idempotency.Claim, response: HttpResponseBase) -> None:
        if response.status_code >= 500 or "Retry-After" in response:
            idempotency.release(claim)
            return
        if isinstance(response, SimpleTemplateResponse):
            response.render()
        is_whole = isinstance(response, HttpResponse)
        idempotency.answer(
            claim,
            idempotency.Answer(
                status=response.status_code,
                headers={
                    name: value for name, value in response.items() if name.lower() not in _FRESH
                },
                body=response.content if isinstance(response, HttpResponse) else b"",
            ),
            is_kept=self.is_answer_kept and is_whole,
        )


def _key_of(request: Request) -> str:
    """The key that is sent.

    Raises:
        IdempotencyKeyInvalid: there are two. Django would join them with a comma into one that
            neither the client nor a proxy ever made up.
    """
    scope: Mapping[str, Any] = getattr(request._request, "scope", {})
    if sum(name.lower() == HEADER.lower().encode() for name, _ in scope.get("headers", ())) > 1:
        raise IdempotencyKeyInvalid(
            f"There are several headers {HEADER}.", fix="Send one key for one act."
        )
    return request.headers.get(HEADER, "")


def _principal(request: Request) -> str:
    if isinstance(request.auth, ApiToken):
        return f"token:{request.auth.pk}"
    return f"user:{request.user.pk}"


def _canonical(request: Request, meaning: Sequence[str]) -> bytes:
    """What makes two requests the same; never reads a body that is streamed to disk."""
    kind = request.content_type.partition(";")[0].strip().lower()
    body = sha256_hex(request._request.body) if kind in _READ else ""
    counted = meaning if body else (*_DESCRIBING, *meaning)
    return canonical_json(
        {
            "method": str(request.method),
            "address": request.get_full_path(),
            "kind": kind,
            "headers": {name: request.headers.get(name, "") for name in counted},
            "body": body,
        }
    )


def _replayed(found: idempotency.Answer) -> HttpResponse:
    response = HttpResponse(found.body, status=found.status)
    for name, value in found.headers.items():
        response[name] = value
    response[REPLAYED] = "true"
    return response
