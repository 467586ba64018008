"""The registry's tables."""

from .adapters import Adapter, Alias, AliasMove, SafetyClass
from .base_models import BaseModel
from .blobs import Blob
from .training import TrainingRun
from .uploads import Upload
from .versions import Label, Version, VersionFile

__all__ = [
    "Adapter",
    "Alias",
    "AliasMove",
    "BaseModel",
    "Blob",
    "Label",
    "SafetyClass",
    "TrainingRun",
    "Upload",
    "Version",
    "VersionFile",
]
