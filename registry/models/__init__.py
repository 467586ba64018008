"""The registry's tables."""

from .adapters import Adapter, Alias, AliasMove, SafetyClass
from .avatars import Avatar, AvatarBackup, ScanState, TrainingFile
from .base_models import BaseModel
from .blobs import Blob
from .training import TrainingRun
from .uploads import Upload
from .versions import Label, Version, VersionFile

__all__ = [
    "Adapter",
    "Alias",
    "AliasMove",
    "Avatar",
    "AvatarBackup",
    "BaseModel",
    "Blob",
    "Label",
    "SafetyClass",
    "ScanState",
    "TrainingFile",
    "TrainingRun",
    "Upload",
    "Version",
    "VersionFile",
]
