"""Why a server could not be asked, and what an answer says that is no answer, in plain words."""

import socket
import ssl
from collections.abc import Iterator
from typing import Any

import httpx

from .endings import Away, Ended, Faulty, Refused, WrongUse

AWAY_STATUSES = frozenset({502, 503, 504})
_SAFE = "It is safe to run this again."
_WHICH = "Is FORMULARY_URL right? It is the address without /console or /api."


def unanswered(error: httpx.HTTPError, *, url: str, answer_seconds: float) -> Ended:
    """What to tell of a request that got no answer; passing causes are ``Away``."""
    host = httpx.URL(url).host
    causes = list(_causes(error))
    tls = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    if tls is not None:
        why = getattr(tls, "verify_message", "") or tls.reason or str(tls)
        return Faulty(
            f"The TLS connection to {host} can't be trusted or made: {why}.",
            fix="Is it https there? For a certificate of your own authority set SSL_CERT_FILE.",
            code="tls-failed",
        )
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Away(
            f"The name {host} leads to no address.",
            fix="Is the name in FORMULARY_URL right, and is there a network?",
            code="name-unknown",
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return Away(
            f"Nothing listens at {url}.",
            fix=f"Is the port in FORMULARY_URL right and the server up? {_SAFE}",
            code="connection-refused",
        )
    if isinstance(error, httpx.ConnectTimeout):
        return Away(
            f"{host} does not take a connection in time.", fix=f"Is it up? {_SAFE}", code="timeout"
        )
    if isinstance(error, httpx.TimeoutException):
        return Away(
            f"{url} did not answer within {answer_seconds:.0f} s.", fix=_SAFE, code="timeout"
        )
    return Away(
        f"{url} does not answer ({type(error).__name__}).",
        fix=f"Is FORMULARY_URL right and the server up? {_SAFE}",
        code="away",
    )


def refusal(answer: httpx.Response, *, url: str) -> Ended | None:
    """What to tell of an answer that is no success; None where it is one."""
    if answer.is_redirect:
        there = answer.headers.get("Location", "")[:200]
        return WrongUse(
            f"{url} sends on to {there}.",
            fix="Set FORMULARY_URL to the address that answers itself, https:// perhaps.",
            code="redirected",
        )
    if not answer.is_error:
        return None
    status = answer.status_code
    problem = _problem(answer)
    if status in AWAY_STATUSES:
        detail = f": {problem['detail']}" if problem else ": it is not up."
        return Away(f"{url} answers {status}{detail}", code=str(problem.get("code") or "away"))
    if status >= 500:
        known = f" Its log has it as request {problem['request_id']}." if problem else ""
        return Faulty(
            f"{url} failed with {status}.{known}",
            fix="Tell whoever runs it; running this again may work.",
            code=f"http-{status}",
        )
    # An answer to HEAD has no body, and so no code.
    if not problem and answer.request.method != "HEAD":
        return not_ours(url, said=f" with {status}")
    return Refused(
        str(problem.get("detail") or f"The server answers {status}."),
        fix=str(problem.get("fix") or ""),
        code=str(problem.get("code") or f"http-{status}"),
        status=status,
        errors=[row for row in problem.get("errors") or [] if isinstance(row, dict)],
    )


def not_ours(url: str, *, said: str = "") -> Faulty:
    """What answers there is something else: a proxy's page, another program."""
    return Faulty(
        f"{url} answers{said}, and not as Formulary does.", fix=_WHICH, code="not-formulary"
    )


def _problem(answer: httpx.Response) -> dict[str, Any]:
    """The problem document in the body; empty where it is none."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) and {"code", "detail", "request_id"} <= set(body) else {}


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
