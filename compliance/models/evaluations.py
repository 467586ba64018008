"""Locked evaluation sets, runs of them through a version on a node, and the rows."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from compliance.states import RunState
from config.core import clock
from config.core.models import PublicModel
from registry.models import BaseModel, Version


class EvaluationSet(PublicModel):
    """A named, versioned, locked list of items; the golden sets are those a policy names.

    ``prompt_template`` is a list of chat messages whose content may hold ``{text}``.
    """

    name = models.SlugField(max_length=100)
    version_name = models.CharField(max_length=40, default="1")
    sha256 = models.CharField(max_length=64)
    prompt_template = models.JSONField(default=list)
    prompt_template_sha256 = models.CharField(max_length=64)
    grader = models.CharField(max_length=40, default="exact_match")
    max_tokens = models.PositiveIntegerField(default=16)
    group_fields = models.JSONField(default=list)
    items_count = models.PositiveIntegerField()
    locked_at = models.DateTimeField(default=clock.now)
    locked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["name", "version_name"], name="one_set_per_name_and_version"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version_name}"


class EvaluationItem(models.Model):
    """One item; its text is encrypted, because it may be a patient's."""

    evaluation_set = models.ForeignKey(
        EvaluationSet, on_delete=models.PROTECT, related_name="items"
    )
    index = models.PositiveIntegerField()
    item_sha256 = models.CharField(max_length=64)
    text_encrypted = models.BinaryField()
    expected = models.CharField(max_length=200)
    groups = models.JSONField(default=dict)

    class Meta:
        ordering = ["index"]
        constraints = [
            models.UniqueConstraint(fields=["evaluation_set", "index"], name="one_item_per_index")
        ]


class EvaluationRun(PublicModel):
    """A set run through one version; reused while everything that it is bound to is equal."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="+")
    evaluation_set = models.ForeignKey(EvaluationSet, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(
        max_length=20, choices=[(s, s) for s in RunState], default=RunState.WAITING
    )
    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="+")
    digest = models.CharField(max_length=64)
    base_digest = models.CharField(max_length=64)
    tokenizer_sha256 = models.CharField(max_length=64, blank=True)
    prompt_template_sha256 = models.CharField(max_length=64)
    engine_build = models.CharField(max_length=100, blank=True)
    device = models.CharField(max_length=40, blank=True)
    dtype = models.CharField(max_length=20, blank=True)
    node_name = models.CharField(max_length=100, blank=True)
    rows_done = models.PositiveIntegerField(default=0)
    correct_count = models.PositiveIntegerField(default=0)
    rows_sha256 = models.CharField(max_length=64, blank=True)
    metric_code = models.CharField(max_length=40, blank=True)
    attempt = models.PositiveIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    requested_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "evaluation_set"],
                condition=Q(state__in=["waiting", "running"]),
                name="one_evaluation_in_progress",
            )
        ]


class EvaluationRow(models.Model):
    """One item's outcome; the answer's text is stored encrypted only."""

    run = models.ForeignKey(EvaluationRun, on_delete=models.PROTECT, related_name="rows")
    item_sha256 = models.CharField(max_length=64)
    index = models.PositiveIntegerField()
    expected = models.CharField(max_length=200)
    given = models.CharField(
        max_length=200, blank=True, help_text="The class given; empty when the answer is no class"
    )
    is_correct = models.BooleanField()
    groups = models.JSONField(default=dict)
    answer_encrypted = models.BinaryField(null=True)
    finish = models.CharField(max_length=20, blank=True)
    duration_ms = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["index"]
        constraints = [models.UniqueConstraint(fields=["run", "index"], name="one_row_per_item")]
