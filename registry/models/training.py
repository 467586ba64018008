"""Training runs: the errand of making a version from data, and how far it is."""

from django.conf import settings
from django.db import models

from config.core import clock
from config.core.models import PublicModel
from registry.states import OPEN_TRAINING_STATES, TrainingState

from .adapters import Adapter
from .base_models import BaseModel
from .versions import Version


class TrainingRun(PublicModel):
    """One training of an adapter on frozen data, parameters and seed.

    ``data`` lists ``{"file", "sha256", "size_bytes", "kind"}`` of each file, its uuid instead of
    its name; ``series`` is ``[step, loss]`` of mean losses in nats per token; ``attempt`` counts
    the workers that took it up, the last of which owns it while its heartbeat is young.
    """

    adapter = models.ForeignKey(Adapter, on_delete=models.PROTECT, related_name="training_runs")
    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="+")
    base_digest = models.CharField(max_length=64)
    trainer = models.CharField(max_length=40)
    parameters = models.JSONField(default=dict)
    seed = models.PositiveBigIntegerField()
    data = models.JSONField(default=list)
    state = models.CharField(
        max_length=20,
        choices=[(state.value, state.value) for state in TrainingState],
        default=TrainingState.QUEUED,
    )
    error = models.CharField(max_length=500, blank=True)
    attempt = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=200, blank=True)
    heartbeat_at = models.DateTimeField(null=True)
    step = models.PositiveIntegerField(default=0)
    steps = models.PositiveIntegerField(default=0, help_text="0 until the data is read")
    series = models.JSONField(default=list)
    checkpoint_step = models.PositiveIntegerField(default=0)
    metrics = models.JSONField(default=dict)
    libraries = models.JSONField(default=dict)
    version = models.ForeignKey(Version, null=True, on_delete=models.PROTECT, related_name="+")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    requested_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["state"], name="training_runs_by_state")]
        constraints = [
            models.UniqueConstraint(
                fields=["adapter"],
                condition=models.Q(state__in=[state.value for state in OPEN_TRAINING_STATES]),
                name="one_open_training_run_per_adapter",
            )
        ]

    def __str__(self) -> str:
        return f"{self.adapter.name} {self.state}"

    @property
    def is_open(self) -> bool:
        """Whether it still waits, runs, or is being cancelled."""
        return self.state in OPEN_TRAINING_STATES
