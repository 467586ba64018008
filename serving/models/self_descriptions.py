"""What programs say of adapters and versions, and nobody has checked."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from config.core import clock
from config.core.models import PublicModel
from registry.models import Adapter, Version


class SelfDescription(PublicModel):
    """Words and numbers of a program about an adapter, or about one of its versions.

    ``values``: field → plain JSON. They are kept and shown as said; no check, no approval and no
    limit reads them.
    """

    adapter = models.ForeignKey(Adapter, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(Version, null=True, on_delete=models.PROTECT, related_name="+")
    values = models.JSONField(default=dict)
    stated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    stated_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["adapter"],
                condition=Q(version__isnull=True),
                name="one_self_description_per_adapter",
            ),
            models.UniqueConstraint(
                fields=["version"],
                condition=Q(version__isnull=False),
                name="one_self_description_per_version",
            ),
        ]
