"""What the control loop notices: signs of life, and alerts with their history."""

from django.db import models
from django.db.models import Q

from config.core import clock
from config.core.models import PublicModel
from serving.domain.facts import AlertSeverity


class Heartbeat(models.Model):
    """The last sign of life of a process that needs no broker.

    ``duties``: name → ISO 8601 time of the end of its last round that did not fail.
    """

    name = models.CharField(max_length=40, unique=True)
    at = models.DateTimeField(default=clock.now)
    duties = models.JSONField(default=dict)


class Alert(PublicModel):
    """A condition that a person should know of, from when it was seen until it was gone.

    ``rule`` names a row of ``serving.domain.alert_rules.RULES``; ``subject`` what it is about, and
    ``since`` when the condition began as far as can be told.
    """

    rule = models.CharField(max_length=40)
    subject = models.CharField(max_length=200, blank=True)
    severity = models.CharField(max_length=10, choices=[(s, s) for s in AlertSeverity])
    message = models.CharField(max_length=500)
    fix = models.CharField(max_length=500)
    since = models.DateTimeField()
    opened_at = models.DateTimeField(default=clock.now)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "subject"],
                condition=Q(closed_at__isnull=True),
                name="one_open_alert_per_subject",
            )
        ]
