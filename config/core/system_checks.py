"""System checks that refuse unsafe settings in production."""

import os
from typing import Any

from django.conf import settings
from django.core import checks


@checks.register(checks.Tags.security)
def check_production(app_configs: Any, **_: Any) -> list[checks.CheckMessage]:
    """Name every setting that is unsafe where patients are served."""
    if settings.FORMULARY_ENV != "production":
        return []
    wrong: list[checks.CheckMessage] = []

    def add(number: int, message: str, hint: str) -> None:
        wrong.append(checks.Error(message, hint=hint, id=f"formulary.E{number:03d}"))

    if settings.DEBUG:
        add(1, "DEBUG is on.", "Remove it: tracebacks would reach users.")
    if "*" in settings.ALLOWED_HOSTS:
        add(2, "ALLOWED_HOSTS allows every host.", "Name the hosts in ALLOWED_HOSTS.")
    if not settings.SECURE_SSL_REDIRECT:
        add(3, "SECURE_SSL_REDIRECT is off.", "Set SECURE_SSL_REDIRECT=true.")
    if settings.SECURE_HSTS_SECONDS < 31536000:
        add(4, "HSTS is shorter than a year.", "Set SECURE_HSTS_SECONDS=31536000.")
    if not settings.SESSION_COOKIE_SECURE:
        add(5, "Session cookies travel without TLS.", "Set SESSION_COOKIE_SECURE=true.")
    if "sqlite" in settings.DATABASES["default"]["ENGINE"]:
        add(6, "The database is SQLite.", "Set DATABASE_URL to a PostgreSQL server.")
    if not settings.REDIS_URL:
        add(7, "There is no broker.", "Set REDIS_URL.")
    if os.environ.get("FORMULARY_FAILPOINTS"):
        add(8, "FORMULARY_FAILPOINTS is set.", "Remove it: who writes there could hold a stop up.")
    if settings.SECURE_PROXY_SSL_HEADER and settings.TRUSTED_PROXY_COUNT < 1:
        add(
            9,
            "SECURE_PROXY_SSL_HEADER is believed, and no proxy is said to stand in front.",
            "Set TRUSTED_PROXY_COUNT=1 where the proxy sets the header on every request; "
            "without a proxy remove SECURE_PROXY_SSL_HEADER: anybody can send it.",
        )
    if settings.TRUSTED_PROXY_COUNT and not settings.SECURE_PROXY_SSL_HEADER:
        wrong.append(
            checks.Warning(
                "A proxy stands in front, and nothing tells whether its client came over HTTPS: "
                "with SECURE_SSL_REDIRECT every page would be redirected for ever.",
                hint="Set SECURE_PROXY_SSL_HEADER=X-Forwarded-Proto if the proxy always sets it.",
                id="formulary.W002",
            )
        )
    if not settings.CHECKPOINT_FOLDER.is_absolute() or (
        settings.FORMULARY_HOME in settings.CHECKPOINT_FOLDER.parents
    ):
        wrong.append(
            checks.Warning(
                "Checkpoints of the audit trail lie beside the data that they protect.",
                hint="Set CHECKPOINT_FOLDER to a volume that database administrators can't write.",
                id="formulary.W001",
            )
        )
    return wrong
