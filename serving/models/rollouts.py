"""Rollouts, their steps, and what the analyses said."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from config.core import clock
from config.core.models import PublicModel
from serving.states import (
    OPEN_ROLLOUT_STATES,
    PauseKind,
    RolloutState,
    StepKind,
    StepState,
    Verdict,
)

from .deployments import Deployment, Revision


class Rollout(PublicModel):
    """The move of a deployment from one revision to another, a step at a time."""

    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="rollouts")
    from_revision = models.ForeignKey(
        Revision, null=True, on_delete=models.PROTECT, related_name="+"
    )
    to_revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="+")
    strategy = models.CharField(max_length=30)
    state = models.CharField(
        max_length=20, choices=[(s, s) for s in RolloutState], default=RolloutState.RUNNING
    )
    stage = models.PositiveIntegerField(default=0, help_text="Counts changes of the weight")
    weight_percent = models.PositiveIntegerField(default=0, help_text="The canary's share")
    trigger = models.CharField(max_length=30, blank=True)
    reason = models.CharField(max_length=1000, blank=True)
    paused_reason = models.CharField(max_length=1000, blank=True)
    paused_kind = models.CharField(
        max_length=20, blank=True, choices=[(k, k) for k in PauseKind], default=PauseKind.NONE
    )
    paused_at = models.DateTimeField(null=True)
    requests_count = models.PositiveIntegerField(default=0)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    started_at = models.DateTimeField(default=clock.now)
    finished_at = models.DateTimeField(null=True)
    swept_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["deployment"],
                condition=Q(state__in=[str(s) for s in OPEN_ROLLOUT_STATES]),
                name="one_open_rollout_per_deployment",
            ),
            models.CheckConstraint(
                condition=Q(weight_percent__lte=100), name="weight_at_most_100_percent"
            ),
        ]


class RolloutStep(models.Model):
    """One step: a kind with its parameters; its undoing is part of its contract."""

    rollout = models.ForeignKey(Rollout, on_delete=models.PROTECT, related_name="steps")
    index = models.PositiveIntegerField()
    kind = models.CharField(max_length=20, choices=[(k, k) for k in StepKind])
    params = models.JSONField(default=dict)
    state = models.CharField(
        max_length=20, choices=[(s, s) for s in StepState], default=StepState.WAITING
    )
    detail = models.CharField(max_length=1000, blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["index"]
        constraints = [
            models.UniqueConstraint(fields=["rollout", "index"], name="one_step_per_index")
        ]


class AnalysisRun(models.Model):
    """What an analysis said at one moment; the evidence curve is the list of these."""

    rollout = models.ForeignKey(Rollout, on_delete=models.PROTECT, related_name="analyses")
    step_index = models.PositiveIntegerField()
    stage = models.PositiveIntegerField()
    signal = models.CharField(max_length=40, help_text="failures, reports or comparison")
    verdict = models.CharField(max_length=20, choices=[(v, v) for v in Verdict])
    requests_count = models.PositiveIntegerField(default=0)
    canary_count = models.PositiveIntegerField(default=0)
    canary_bad_count = models.PositiveIntegerField(default=0)
    stable_count = models.PositiveIntegerField(default=0)
    stable_bad_count = models.PositiveIntegerField(default=0)
    log10_worse = models.FloatField(default=0.0, help_text="Evidence that the canary is worse")
    log10_safe = models.FloatField(default=0.0, help_text="Evidence that it is not worse")
    log10_limit = models.FloatField(default=0.0, help_text="Either evidence decides at this")
    needed_requests = models.PositiveIntegerField(null=True)
    detail = models.JSONField(default=dict)
    at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["rollout", "signal", "id"], name="analysis_curve")]
