"""Where others want to be told what happens here."""

from django.conf import settings
from django.db import models

from config.core import clock
from config.core.models import PublicModel


class WebhookEndpoint(PublicModel):
    """An address that is told of ``events``; the secret that signs them is stored encrypted."""

    url = models.CharField(max_length=2048)
    events = models.JSONField(default=list)
    description = models.CharField(max_length=200, blank=True)
    secret_encrypted = models.BinaryField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=clock.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return str(self.uuid)
