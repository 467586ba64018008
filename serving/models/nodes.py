"""Engine processes, the versions on them, and the probes that proved them."""

from django.db import models

from config.core import clock
from config.core.models import PublicModel
from registry.models import BaseModel, Version
from serving.states import ReplicaState


class Node(PublicModel):
    """One engine process with one base model, as registered and as last seen."""

    name = models.SlugField(max_length=63, unique=True)
    url = models.URLField(max_length=300)
    secret_encrypted = models.BinaryField()
    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="+")
    engine = models.CharField(max_length=40)
    is_enabled = models.BooleanField(default=True)
    boot_id = models.CharField(
        max_length=40, blank=True, help_text="Empty while what runs there is not as registered"
    )
    status = models.JSONField(default=dict, help_text="What the node last said of itself")
    stops_epoch_seen = models.PositiveBigIntegerField(default=0)
    last_seen_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=500, blank=True)
    registered_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return self.name

    @property
    def queue(self) -> str:
        """The Celery queue that this node's agent consumes."""
        return f"node.{self.name}"


class Replica(PublicModel):
    """A version on a node: wanted here, seen there, proven under a boot id."""

    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="replicas")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="+")
    digest = models.CharField(max_length=64)
    state = models.CharField(
        max_length=20, choices=[(s, s) for s in ReplicaState], default=ReplicaState.WANTED
    )
    proven_boot_id = models.CharField(max_length=40, blank=True)
    proven_at = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True, help_text="When the newest load was begun")
    error = models.CharField(max_length=500, blank=True)
    attempts = models.PositiveIntegerField(default=0, help_text="Claims so far; names a claim")
    failures_count = models.PositiveIntegerField(default=0, help_text="In a row")
    unwanted_at = models.DateTimeField(null=True, help_text="Since when nothing wishes for it")
    nudged_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["node", "version"], name="one_replica_per_node")
        ]


class ProbeRun(models.Model):
    """The recorded answer of a version to the probe prompts, under one engine build and dtype.

    ``tokens`` is a list of token-id lists, ``margins`` the logit margins of the same shape
    (decimals as text); later loads are compared with the first one.
    """

    digest = models.CharField(max_length=64, help_text="Of the version; the base's for the base")
    base_digest = models.CharField(max_length=64)
    engine_build = models.CharField(max_length=100)
    device = models.CharField(max_length=40)
    dtype = models.CharField(max_length=20)
    tokens = models.JSONField(default=list)
    margins = models.JSONField(default=list)
    recorded_at = models.DateTimeField(default=clock.now)
    node_name = models.CharField(max_length=100)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["digest", "base_digest", "engine_build", "device", "dtype"],
                name="one_probe_per_combination",
            )
        ]
