"""Engine profiles that people have changed or added; the packaged ones need no row."""

from django.db import models
from django.db.models import Q

from config.core import clock


class EngineProfileRow(models.Model):
    """One profile, as ``serving.domain.engine_profiles.EngineProfile`` has it.

    ``is_used_by_door``: the registry's own SageMaker door translates by it; at most one does.
    """

    name = models.CharField(max_length=40, unique=True)
    title = models.CharField(max_length=200, blank=True)
    register_request_shape = models.JSONField(default=dict, blank=True)
    register_response_shape = models.JSONField(default=dict, blank=True)
    unregister_request_shape = models.JSONField(default=dict, blank=True)
    unregister_response_shape = models.JSONField(default=dict, blank=True)
    adapter_path = models.CharField(max_length=100, default="model")
    is_appended = models.BooleanField(default=False)
    separator = models.CharField(max_length=20, blank=True)
    is_used_by_door = models.BooleanField(default=False)
    changed_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_used_by_door"],
                condition=Q(is_used_by_door=True),
                name="one_engine_profile_for_the_door",
            )
        ]

    def __str__(self) -> str:
        return self.name
