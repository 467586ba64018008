"""Shapes of the avatar contract's answers and requests."""

from typing import Any

from rest_framework import serializers

from registry.domain.avatars import AvatarStatus
from registry.domain.training_data import Severity
from registry.models import AvatarBackup, ScanState

STATUSES = " or ".join(AvatarStatus)


class NamedSerializer(serializers.Serializer[Any]):
    """Whose avatar an answer is about."""

    user_id = serializers.CharField()
    avatar_id = serializers.CharField()


class CreatedSerializer(NamedSerializer):
    """The adapter that was made, or that is there."""

    status = serializers.CharField(help_text="created or existing")
    message = serializers.CharField()
    adapter_id = serializers.UUIDField()
    adapter_name = serializers.CharField()
    s3_key = serializers.CharField(help_text="The newest backup's key")


class DeletedSerializer(NamedSerializer):
    """An avatar that is gone."""

    status = serializers.CharField(help_text="deleted")
    message = serializers.CharField()


class FileCountsSerializer(serializers.Serializer[Any]):
    """How many training files there are."""

    total = serializers.IntegerField()
    training = serializers.IntegerField()
    non_training = serializers.IntegerField()


class LastTrainingSerializer(serializers.Serializer[Any]):
    """The last training that was not cancelled."""

    training_run = serializers.UUIDField()
    state = serializers.CharField()
    step = serializers.IntegerField()
    steps = serializers.IntegerField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class InfoSerializer(NamedSerializer):
    """What there is to know about an adapter without downloading it."""

    status = serializers.CharField(help_text=STATUSES)
    adapter_id = serializers.UUIDField()
    adapter_name = serializers.CharField()
    adapter_ref = serializers.CharField(help_text="Its reference in the registry")
    base_model = serializers.CharField()
    created_at = serializers.DateTimeField()
    version = serializers.CharField(allow_null=True, help_text="The version that a download holds")
    version_id = serializers.UUIDField(allow_null=True)
    digest = serializers.CharField(allow_null=True)
    size_bytes = serializers.IntegerField(allow_null=True)
    trained_at = serializers.DateTimeField(allow_null=True)
    last_backup_at = serializers.DateTimeField(allow_null=True)
    last_training = LastTrainingSerializer(allow_null=True)
    configuration = serializers.DictField(help_text="Parameters that training begins from")
    training_data = FileCountsSerializer()
    s3_key = serializers.CharField()


class TrainingFileSerializer(serializers.Serializer[Any]):
    """A training file without its text."""

    file_id = serializers.UUIDField()
    file_name = serializers.CharField()
    use_for_training = serializers.BooleanField()
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    uploaded_at = serializers.DateTimeField()
    scan_state = serializers.CharField(help_text=" or ".join(ScanState))
    s3_key = serializers.CharField()


class UploadedSerializer(NamedSerializer):
    """What was stored."""

    message = serializers.CharField()
    files = TrainingFileSerializer(many=True)


class FileListSerializer(NamedSerializer):
    """Training files by name."""

    files = TrainingFileSerializer(many=True)
    total = serializers.IntegerField()


class FlagRequestSerializer(serializers.Serializer[Any]):
    """Whether a file is to be trained with; in the body or in the query."""

    use_for_training = serializers.BooleanField(required=False)


class FlagSerializer(NamedSerializer):
    """A file and its flag."""

    file_name = serializers.CharField()
    use_for_training = serializers.BooleanField()


class FileDeletedSerializer(NamedSerializer):
    """A file that is gone."""

    status = serializers.CharField(help_text="deleted")
    file_name = serializers.CharField()


class FilesDeletedSerializer(NamedSerializer):
    """Files that are gone, all of which were not for training."""

    status = serializers.CharField(help_text="deleted")
    deleted_files = serializers.ListField(child=serializers.CharField())
    deleted_count = serializers.IntegerField()


class DownloadSerializer(NamedSerializer):
    """A signed address of one file's text."""

    file_name = serializers.CharField()
    download_url = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds")
    expires_at = serializers.DateTimeField()


class MetadataSerializer(NamedSerializer):
    """The flags file as it stands, and how many files there are."""

    status = serializers.CharField(help_text="found or not_found")
    metadata = serializers.DictField(child=serializers.BooleanField())
    summary = FileCountsSerializer()
    s3_key = serializers.CharField()


class RecommendationSerializer(serializers.Serializer[Any]):
    """Parameters for an amount of data."""

    num_epochs = serializers.IntegerField()
    learning_rate = serializers.FloatField()
    batch_size = serializers.IntegerField()
    gradient_accumulation_steps = serializers.IntegerField()


class RecommendationsSerializer(NamedSerializer):
    """What suits the files that are flagged."""

    data_bytes = serializers.IntegerField()
    training_files = serializers.IntegerField()
    recommendations = RecommendationSerializer()


class DataFindingSerializer(serializers.Serializer[Any]):
    """What is wrong with a file, and where; never its text."""

    code = serializers.CharField()
    severity = serializers.CharField(help_text=" or ".join(Severity))
    number = serializers.IntegerField(help_text="Line, or item of a JSON list; 0: the whole file")
    message = serializers.CharField()


class JudgedFileSerializer(serializers.Serializer[Any]):
    """One file's findings."""

    file_name = serializers.CharField()
    valid = serializers.BooleanField()
    findings = DataFindingSerializer(many=True)


class ValidationSerializer(NamedSerializer):
    """Whether the flagged files can be trained on."""

    valid = serializers.BooleanField()
    total_files = serializers.IntegerField()
    valid_files = serializers.IntegerField()
    total_bytes = serializers.IntegerField()
    files = JudgedFileSerializer(many=True)


class BackupSerializer(serializers.Serializer[Any]):
    """A ZIP that is kept."""

    backup_id = serializers.UUIDField()
    backup_type = serializers.CharField(help_text=" or ".join(AvatarBackup.Reason))
    backup_timestamp = serializers.DateTimeField()
    file_count = serializers.IntegerField()
    backup_size_bytes = serializers.IntegerField(help_text="Of the files in it, unpacked")
    sha256 = serializers.CharField(help_text="Of the ZIP")
    version = serializers.CharField(allow_null=True)
    s3_key = serializers.CharField()
    download_url = serializers.CharField(
        allow_null=True, help_text="A signed address where the store gives such"
    )
    expires_at = serializers.DateTimeField(allow_null=True, help_text="When the address ends")


class BackupMadeSerializer(NamedSerializer):
    """A backup that was just made."""

    status = serializers.CharField(help_text="backed_up")
    backup = BackupSerializer()


class BackupListSerializer(NamedSerializer):
    """Backups, newest first."""

    backups = BackupSerializer(many=True)
    total = serializers.IntegerField()


class RestoreRequestSerializer(serializers.Serializer[Any]):
    """Which backup; none: the newest."""

    backup_id = serializers.UUIDField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse other members: a backup that is named in another spelling is not the newest."""
        if unknown := sorted(set(self.initial_data) - set(self.fields)):
            raise serializers.ValidationError({unknown[0][:50]: "There is no such member."})
        return attrs


class RestoreArchiveSerializer(serializers.Serializer[Any]):
    """A ZIP to restore from."""

    file = serializers.FileField()


class RestoredSerializer(NamedSerializer):
    """What the adapter is now."""

    status = serializers.CharField(help_text="restored")
    adapter_status = serializers.CharField(help_text=STATUSES)
    version = serializers.CharField(allow_null=True)
    is_new_version = serializers.BooleanField()


class StoreSerializer(serializers.Serializer[Any]):
    """What the store of bytes answered just now."""

    is_reachable = serializers.BooleanField()
    is_writable = serializers.BooleanField()


class PersistenceStatusSerializer(NamedSerializer):
    """Where an adapter's backups and flags stand."""

    status = serializers.CharField(help_text=STATUSES)
    s3_status = serializers.CharField(help_text="connected or unavailable")
    store = StoreSerializer()
    has_backup = serializers.BooleanField()
    backup_count = serializers.IntegerField()
    last_backup_at = serializers.DateTimeField(allow_null=True)
    is_flags_file_current = serializers.BooleanField()


class TrainRequestSerializer(serializers.Serializer[Any]):
    """Parameters of a training; those left out have their defaults."""

    learning_rate = serializers.FloatField(required=False, help_text="2e-4")
    num_epochs = serializers.IntegerField(required=False, help_text="3")
    batch_size = serializers.IntegerField(required=False, help_text="4")
    gradient_accumulation_steps = serializers.IntegerField(required=False, help_text="4")
    warmup_steps = serializers.IntegerField(required=False, help_text="100")
    max_seq_length = serializers.IntegerField(required=False, help_text="512, in tokens")
    save_steps = serializers.IntegerField(required=False, help_text="500")
    logging_steps = serializers.IntegerField(required=False, help_text="10")
    lora_r = serializers.IntegerField(required=False, help_text="16")
    lora_alpha = serializers.IntegerField(required=False, help_text="32")
    lora_dropout = serializers.FloatField(required=False, help_text="0.1")
    target_modules = serializers.ListField(child=serializers.CharField(), required=False)
    seed = serializers.IntegerField(required=False, help_text="42")


class TrainingBegunSerializer(NamedSerializer):
    """A training that goes on."""

    status = serializers.CharField(help_text="training")
    message = serializers.CharField()
    training_run = serializers.UUIDField()
    job_url = serializers.CharField()


class TrainingResultSerializer(NamedSerializer):
    """A training that is over."""

    status = serializers.CharField(help_text=STATUSES)
    training_run = serializers.UUIDField()
    success = serializers.BooleanField()
    training_duration = serializers.FloatField(help_text="Seconds")
    training_files = serializers.ListField(child=serializers.CharField())
    training_params = serializers.DictField()
    model_metrics = serializers.DictField()
    final_loss = serializers.FloatField(allow_null=True)
    steps_completed = serializers.IntegerField()
    message = serializers.CharField()
