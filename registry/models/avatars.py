"""Avatars: a person's own adapter, the texts it is taught with, and its backups."""

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

from config.core import clock
from config.core.models import PublicModel

from .adapters import Adapter
from .blobs import Blob
from .versions import Version

AVATAR_NAME = RegexValidator(
    r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$", "letters, digits, dot, hyphen, underscore"
)


class ScanState(models.TextChoices):
    """What the scan of a training file said; only ``PASSED`` may be trained on.

    ``UNSCANNED → PASSED | REFUSED``; new bytes under the same name are unscanned again.
    """

    UNSCANNED = "unscanned", "not looked at yet"
    PASSED = "passed", "may be trained on"
    REFUSED = "refused", "may not be trained on"


class Avatar(PublicModel):
    """An account's named character: training files, one adapter, backups. Nobody else's business.

    ``adapter`` is None until one was asked for. Files may come before it. Every change of files or
    flags raises ``flags_revision``; ``flags_written`` is the revision that the flags file in the
    store has, so whoever finds it lower writes the file again.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=63, validators=[AVATAR_NAME])
    adapter = models.OneToOneField(Adapter, null=True, on_delete=models.PROTECT, related_name="+")
    configuration = models.JSONField(
        default=dict, help_text="The LoRA configuration that training starts from"
    )
    restored_version = models.ForeignKey(
        Version, null=True, on_delete=models.PROTECT, related_name="+"
    )
    restored_at = models.DateTimeField(null=True)
    flags_revision = models.PositiveBigIntegerField(default=0)
    flags_written = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(default=clock.now)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"],
                condition=models.Q(deleted_at__isnull=True),
                name="one_avatar_per_owner_and_name",
            )
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=models.Q(flags_written__lt=models.F("flags_revision")),
                name="avatars_with_unwritten_flags",
            )
        ]

    def __str__(self) -> str:
        return f"avatar {self.uuid}"


class TrainingFile(PublicModel):
    """A text to train with, encrypted in the blob store under a key of its own.

    ``sha256`` and ``size_bytes`` are those of the plain text, for provenance; ``blob`` holds the
    sealed bytes, which nobody can read without ``key_encrypted``. A deleted file's row is gone for
    good and its key with it: whoever must remember the file keeps its digest, not the row.
    """

    avatar = models.ForeignKey(Avatar, on_delete=models.PROTECT, related_name="files")
    name = models.CharField(max_length=200)
    size_bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    key_encrypted = models.BinaryField()
    use_for_training = models.BooleanField(default=True)
    scan_state = models.CharField(
        max_length=20, choices=ScanState.choices, default=ScanState.UNSCANNED
    )
    scan_findings = models.JSONField(default=list, help_text="Codes and places, never text")
    uploaded_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["avatar", "name"], name="one_training_file_per_name")
        ]

    def __str__(self) -> str:
        # Names of files may tell of patients; this text ends in logs and histories.
        return f"training file {self.uuid}"

    @property
    def kind(self) -> str:
        """``txt``, ``json``, ``jsonl`` or ``csv``: the ending of its name."""
        return self.name.rpartition(".")[2].lower()


class AvatarBackup(PublicModel):
    """A ZIP of an avatar's adapter at one moment, kept whole in the blob store."""

    class Reason(models.TextChoices):
        """Why it was made."""

        CREATED = "created", "the adapter was made"
        ASKED = "asked", "its owner asked for it"
        TRAINED = "trained", "a training ended"

    avatar = models.ForeignKey(Avatar, on_delete=models.PROTECT, related_name="backups")
    version = models.ForeignKey(Version, null=True, on_delete=models.PROTECT, related_name="+")
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=20, choices=Reason.choices)
    file_count = models.PositiveIntegerField()
    files_bytes = models.PositiveBigIntegerField(help_text="Of the files in it, unpacked")
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"backup {self.uuid}"
