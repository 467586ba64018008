"""Check runs, their results in seven states, and what they found."""

from django.db import models
from django.db.models import Q

from compliance.states import RunState
from config.core import clock
from config.core.models import PublicModel
from registry.models import Version


class CheckRun(PublicModel):
    """One pass of the checks of a kind over a frozen snapshot of a version."""

    class Kind(models.TextChoices):
        PACKAGE = "package", "the package"
        EVIDENCE = "evidence", "the evidence"
        LIVE = "live", "the live gates"

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    state = models.CharField(
        max_length=20, choices=[(s, s) for s in RunState], default=RunState.WAITING
    )
    policy_version = models.CharField(max_length=40, blank=True)
    snapshot = models.TextField(blank=True, help_text="Canonical JSON that the checks saw")
    snapshot_sha256 = models.CharField(max_length=64, blank=True)
    is_blocked = models.BooleanField(null=True)
    error = models.CharField(max_length=500, blank=True)
    requested_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True, help_text="When its worker was last heard of")
    attempts = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["version", "kind", "-id"], name="check_run_latest")]


class CheckResult(models.Model):
    """What one check returned."""

    run = models.ForeignKey(CheckRun, on_delete=models.PROTECT, related_name="results")
    check_id = models.CharField(max_length=20)
    check_version = models.CharField(max_length=20)
    title = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=30)
    severity = models.CharField(max_length=10)
    mode = models.CharField(max_length=5)
    values = models.JSONField(default=dict)
    thresholds = models.JSONField(default=dict)
    result_sha256 = models.CharField(max_length=64)

    class Meta:
        ordering = ["check_id"]
        constraints = [
            models.UniqueConstraint(fields=["run", "check_id"], name="one_result_per_check")
        ]


class Finding(models.Model):
    """What a check saw, where, and how to mend it."""

    result = models.ForeignKey(CheckResult, on_delete=models.PROTECT, related_name="findings")
    severity = models.CharField(max_length=10)
    state = models.CharField(max_length=30)
    message = models.TextField()
    fix = models.TextField(blank=True)
    object = models.TextField(blank=True)

    class Meta:
        ordering = ["pk"]
        # Searching in what is found: most findings say that all is in order, and are not read.
        indexes = [
            models.Index(
                fields=["result"],
                condition=~Q(state__in=["pass", "not_applicable"]),
                name="open_findings",
            )
        ]
