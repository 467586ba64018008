"""Keys, host names, HTTPS, proxies and the content policy."""

import os
import re
import secrets

import environ

from .house import FORMULARY_HOME, IS_PRODUCTION, env
from .signing_in import SESSION_COOKIE_SECURE


def _secret_key() -> str:
    given = env.str("SECRET_KEY", default="")
    if given:
        return given
    if IS_PRODUCTION:
        raise environ.ImproperlyConfigured("SECRET_KEY is not set; production needs one")
    path = FORMULARY_HOME / "keys" / "django.key"
    if not path.is_file():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = path.with_name(f".django.key.{os.getpid()}")
        beside.write_text(secrets.token_urlsafe(48))
        beside.chmod(0o600)
        if not path.is_file():
            beside.rename(path)
    return path.read_text()


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=IS_PRODUCTION)
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31536000 if IS_PRODUCTION else 0)
# The header in which a TLS proxy says that the request came over HTTPS; it must always set it.
_proxy_header = env.str("SECURE_PROXY_SSL_HEADER", default="")
if _proxy_header and not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,62}", _proxy_header):
    raise environ.ImproperlyConfigured(
        f"SECURE_PROXY_SSL_HEADER is {_proxy_header!r}: the name of a header, X-Forwarded-Proto say"
    )
SECURE_PROXY_SSL_HEADER = (
    (f"HTTP_{_proxy_header.upper().replace('-', '_')}", "https") if _proxy_header else None
)
# What Prometheus sends as its bearer token; without it /metrics tells nothing.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)

# The console's site adds what unfold needs (config/console/sites.py); everything else is strict.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
    }
}
