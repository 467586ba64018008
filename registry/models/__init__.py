"""The registry's tables."""

from .adapters import Adapter, Alias, AliasMove, SafetyClass
from .artifacts import Artifact, ModelRecord, RecordMirroring, StorageAlias
from .avatars import Avatar, AvatarBackup, ScanState, TrainingFile
from .base_models import BaseModel
from .blobs import Blob
from .holds import ErasedBlob, GarbageRun, Hold
from .training import TrainingRun
from .uploads import Upload
from .versions import Label, Version, VersionFile

__all__ = [
    "Adapter",
    "Alias",
    "AliasMove",
    "Artifact",
    "Avatar",
    "AvatarBackup",
    "BaseModel",
    "Blob",
    "ErasedBlob",
    "GarbageRun",
    "Hold",
    "Label",
    "ModelRecord",
    "RecordMirroring",
    "SafetyClass",
    "ScanState",
    "StorageAlias",
    "TrainingFile",
    "TrainingRun",
    "Upload",
    "Version",
    "VersionFile",
]
