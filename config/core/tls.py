"""Whom our own HTTPS clients trust, read from disk once for all of them."""

import ssl
from functools import cache

import httpx


@cache
def trusted() -> ssl.SSLContext:
    """The public authorities that httpx ships.

    A client that reads them itself takes 40 ms to be made, and each look at a node makes one.
    """
    return httpx.create_ssl_context(trust_env=False)
