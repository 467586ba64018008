"""Outgoing HTTP under the rules: resolved once, connected to what was checked, bounded; no Django.

The name is resolved here and the connection goes to the very address that was judged, so a name
that answers differently the second time (DNS rebinding) is never asked a second time. TLS is
verified against the name. A redirect is an answer like any other: it is not followed.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address

import httpcore

from config.core.egress_rules import Address, Rules, Target, UrlInvalid, parse_url
from config.core.errors import DomainError, ErrorKind

Resolve = Callable[[str, int], Sequence[Address]]
MAX_HEADER_LETTERS = 2000
MIN_SECONDS = 0.001


class EgressRefused(DomainError):
    """The policy for outgoing calls does not allow this target."""

    code = "egress-refused"
    title = "This address may not be called"
    kind = ErrorKind.INVALID


class EgressFailed(DomainError):
    """The target was called and gave no usable answer."""

    code = "egress-failed"
    title = "The other side did not answer"
    kind = ErrorKind.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``body`` is not shown: it may quote what was sent."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the other side said that it took it."""
        return 200 <= self.status < 300


def resolve(host: str, port: int) -> Sequence[Address]:
    """The addresses of a name, as the machine's resolver orders them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(str(row[4][0]).partition("%")[0]) for row in found))


@cache
def _tls() -> ssl.SSLContext:
    return httpcore.default_ssl_context()


class Egress:
    """Outgoing calls under one set of rules; usable from several threads."""

    def __init__(
        self,
        rules: Rules,
        *,
        resolve: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._rules, self._resolve, self._tls = rules, resolve, tls

    def require_callable(self, url: str) -> Target:
        """The target of ``url``, refused where its name or number already says that it may not be.

        Raises:
            EgressRefused: the URL is malformed, or nothing that is listed could be meant.
        """
        try:
            target = parse_url(url)
        except UrlInvalid as error:
            raise EgressRefused(
                f"The address can't be called: {error}.", fix="Write it as http://host:port/path."
            ) from None
        if not self._rules.could_reach(target):
            raise _not_listed()
        return target

    def post(
        self,
        url: str,
        *,
        body: bytes,
        headers: Mapping[str, str],
        timeout_seconds: float,
        max_bytes: int,
    ) -> Answer:
        """POST ``body`` and read the answer, whatever its status.

        ``timeout_seconds`` bounds the whole call, from resolving to the last byte; ``max_bytes``
        the answer's body.

        Raises:
            EgressRefused: the target is not allowed.
            EgressFailed: it could not be reached, was too slow, or answered too much or no HTTP.
        """
        target = self.require_callable(url)
        deadline = time.monotonic() + timeout_seconds
        backend = _Checked(self._rules, self._resolve, deadline)
        host = f"[{target.host}]" if ":" in target.host else target.host
        where = f"{host}:{target.port}"
        sent = [("Host", target.netloc), ("Accept-Encoding", "identity"), ("Connection", "close")]
        limits = dict.fromkeys(("connect", "read", "write"), _left(deadline))
        try:
            with (
                httpcore.ConnectionPool(
                    ssl_context=self._tls or _tls(), network_backend=backend, max_connections=1
                ) as pool,
                backend.bounded(),
                pool.stream(
                    "POST",
                    httpcore.URL(
                        scheme=target.scheme, host=target.host, port=target.port, target=target.path
                    ),
                    headers=[*sent, *_checked_headers(headers)],
                    content=body,
                    extensions={"timeout": limits},
                ) as response,
            ):
                answer = _answer(response, max_bytes=max_bytes, where=where)
        except httpcore.TimeoutException as error:
            raise _too_slow(where, timeout_seconds) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            if time.monotonic() >= deadline:
                raise _too_slow(where, timeout_seconds) from error
            raise EgressFailed(f"{where} {_words(error)}.", fix=_FIX) from error
        if time.monotonic() >= deadline:
            # Without a length the end of a cut connection looks like the end of the answer.
            raise _too_slow(where, timeout_seconds)
        return answer


def _answer(response: httpcore.Response, *, max_bytes: int, where: str) -> Answer:
    parts, size_bytes = [], 0
    for part in response.iter_stream():
        size_bytes += len(part)
        if size_bytes > max_bytes:
            raise EgressFailed(f"{where} answered more than {max_bytes} bytes.", fix=_FIX)
        parts.append(part)
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1")[:MAX_HEADER_LETTERS]
        for name, value in response.headers
    }
    return Answer(response.status, headers, b"".join(parts))


class _Checked(httpcore.NetworkBackend):
    """Connects to addresses that the rules allow, and cuts the connection when time is up."""

    def __init__(self, rules: Rules, resolve: Resolve, deadline: float) -> None:
        self._rules, self._resolve, self._deadline = rules, resolve, deadline
        self._watched: socket.socket | None = None
        self._timer: threading.Timer | None = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first allowed address that takes it."""
        allowed = [
            address
            for address in self._addresses(host, port)
            if self._rules.may_reach(host=host, address=address, port=port)
        ]
        if not allowed:
            raise _not_listed()
        refused: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in allowed:
            try:
                stream = httpcore.SyncBackend().connect_tcp(
                    str(address), port, timeout=_left(self._deadline)
                )
            except (httpcore.NetworkError, httpcore.TimeoutException) as error:
                refused = refused or error
                continue
            self._watch(stream)
            return stream
        assert refused is not None, "nobody took it"
        raise refused

    def _addresses(self, host: str, port: int) -> Sequence[Address]:
        with suppress(ValueError):
            return [ip_address(host)]
        pool = ThreadPoolExecutor(max_workers=1)
        try:
            # The C library's resolver has no time limit of its own.
            return pool.submit(self._resolve, host, port).result(_left(self._deadline))
        except FutureTimeout:
            raise httpcore.ConnectTimeout from None
        except OSError:
            raise EgressFailed(f"The name {host} is not known.", fix=_FIX) from None
        finally:
            pool.shutdown(wait=False)

    def _watch(self, stream: httpcore.NetworkStream) -> None:
        """Shut the connection down at the deadline: limits for each read don't bound their sum."""
        own: socket.socket = stream.get_extra_info("socket")
        self._watched = own.dup()
        self._timer = threading.Timer(_left(self._deadline), self._cut)
        self._timer.daemon = True
        self._timer.start()

    def _cut(self) -> None:
        with suppress(OSError):  # it has ended by itself
            if self._watched is not None:
                self._watched.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def bounded(self) -> Iterator[None]:
        """Let go of the watch at the end of the block."""
        try:
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()
                self._timer.join()
            if self._watched is not None:
                self._watched.close()


def _left(deadline: float) -> float:
    return max(MIN_SECONDS, deadline - time.monotonic())


def _checked_headers(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    for name, value in headers.items():
        if not (name + value).isascii() or not (name + value).isprintable():
            raise ValueError(f"the header {name!r} is not plain text")
    return list(headers.items())


def _not_listed() -> EgressRefused:
    # Whether the name resolved, and to what, is nobody's business who may not call it.
    return EgressRefused(
        "The policy for outgoing calls does not allow this target.",
        fix="An administrator can list its host, or its network if it is a private one, in "
        "EGRESS_ALLOW.",
    )


def _too_slow(where: str, seconds: float) -> EgressFailed:
    return EgressFailed(f"{where} did not answer within {seconds:g} s.", fix=_FIX)


def _words(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "has no valid certificate for its name"
        if isinstance(cause, ConnectionRefusedError):
            return "refused the connection"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpcore.ConnectError):
        return "could not be connected to"
    if isinstance(error, httpcore.ProtocolError):
        return "answered with something that is no HTTP, or not to its end"
    return "broke the connection off"


_FIX = "See whether it runs, and whether host, port and path are right."
