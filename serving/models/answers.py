"""One row an answer, without its text, and what people said of it."""

from django.db import models

from config.core import clock
from serving.states import Arm, FailureKind

from .deployments import Deployment
from .rollouts import Rollout


class Answer(models.Model):
    """One answer as the client got it, or one that a client never saw because it was replaced.

    Written before the answer's last byte. ``unit`` is the routing unit's keyed hash. A canary
    answer that stable's replaced has a row of its own with ``was_replaced`` and its failure.
    """

    answer_id = models.CharField(max_length=80, unique=True)
    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="+")
    rollout = models.ForeignKey(
        Rollout, null=True, on_delete=models.PROTECT, related_name="answers"
    )
    arm = models.CharField(max_length=10, choices=[(a, a) for a in Arm], default=Arm.STABLE)
    stage = models.PositiveIntegerField(default=0)
    digest = models.CharField(max_length=64)
    node_name = models.CharField(max_length=63, blank=True)
    unit = models.CharField(max_length=64, blank=True)
    failure = models.CharField(
        max_length=20, blank=True, choices=[(f, f) for f in FailureKind], default=FailureKind.NONE
    )
    was_replaced = models.BooleanField(default=False)
    replaces_answer_id = models.CharField(max_length=80, blank=True)
    token_name = models.CharField(max_length=100, blank=True)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    first_token_ms = models.PositiveIntegerField(null=True)
    duration_ms = models.PositiveIntegerField(default=0)
    at = models.DateTimeField(default=clock.now)

    class Meta:
        indexes = [
            models.Index(fields=["rollout", "id"], name="answers_of_rollout"),
            models.Index(fields=["deployment", "-at"], name="answers_of_deployment"),
        ]


class Feedback(models.Model):
    """The first verdict on an answer; text, where given, is encrypted."""

    answer_id = models.CharField(max_length=80, unique=True)
    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="+")
    rollout = models.ForeignKey(
        Rollout, null=True, on_delete=models.PROTECT, related_name="feedback"
    )
    arm = models.CharField(max_length=10, choices=[(a, a) for a in Arm])
    stage = models.PositiveIntegerField(default=0)
    digest = models.CharField(max_length=64)
    is_bad = models.BooleanField()
    category = models.CharField(max_length=60, blank=True)
    text_encrypted = models.BinaryField(null=True)
    reported_by = models.CharField(max_length=150)
    at = models.DateTimeField(default=clock.now)

    class Meta:
        indexes = [models.Index(fields=["rollout", "id"], name="feedback_of_rollout")]
