"""The wish that an adapter be served under a public name."""

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

from config.core import clock
from config.core.models import PublicModel
from registry.models import Adapter, BaseModel, Version
from serving.states import Opening

PUBLIC_NAME = RegexValidator(
    r"^[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?$", "lower-case letters, digits, dot, hyphen, underscore"
)


class Deployment(PublicModel):
    """A public name, the adapter behind it (none: the base itself), and its policy.

    ``output_contract``: ``{"max_tokens": int, "pattern": regex for a full match, "stop_reasons":
    ["stop"]}``, empty when the deployment promises no form. ``policy``: see
    ``serving.domain.policy.DeploymentPolicy`` (stage weights, alphas, promotion rule, fallbacks,
    what to do when the control plane is gone).
    """

    public_name = models.CharField(max_length=100, unique=True, validators=[PUBLIC_NAME])
    title = models.CharField(max_length=200, blank=True)
    adapter = models.ForeignKey(
        Adapter, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="+")
    output_contract = models.JSONField(default=dict, blank=True)
    policy = models.JSONField(default=dict, blank=True)
    stable_revision = models.ForeignKey(
        "serving.Revision", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    stable_since = models.DateTimeField(null=True)
    is_enabled = models.BooleanField(default=True)
    opened_as = models.CharField(
        max_length=20, choices=[(o, o) for o in Opening], default=Opening.DEPLOYMENT
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return self.public_name


class Revision(PublicModel):
    """One numbered spec of a deployment; ``version`` is empty for the base itself."""

    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    version = models.ForeignKey(Version, null=True, on_delete=models.PROTECT, related_name="+")
    digest = models.CharField(max_length=64)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["deployment", "number"], name="one_revision_per_number")
        ]
