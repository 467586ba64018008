"""The download ledger: which account was given which bytes of which version, and when."""

from django.conf import settings
from django.db import models

from config.core import clock
from registry.models import Version


class Download(models.Model):
    """One counted download. Written before the first byte goes out, and never changed or deleted.

    ``digest`` is the version's, ``sha256`` the file's. ``size_bytes`` are the bytes that the
    answer promised, from ``first_byte`` on: a resumed download is a row of its own.
    """

    account = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    token_name = models.CharField(max_length=100, blank=True)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="+")
    digest = models.CharField(max_length=64)
    path = models.CharField(max_length=500)
    sha256 = models.CharField(max_length=64)
    first_byte = models.PositiveBigIntegerField(default=0)
    size_bytes = models.PositiveBigIntegerField()
    user_agent = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(default=clock.now)

    class Meta:
        indexes = [
            models.Index(fields=["digest", "-at"], name="downloads_of_digest"),
            models.Index(fields=["account", "version", "-at"], name="downloads_of_account"),
        ]
