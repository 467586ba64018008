"""Paths of the avatar contract; mounted at the root and under /avatar/."""

from django.urls import URLPattern, path

from .avatar_adapters import AvatarAdapter, AvatarCreate, AvatarInfo, AvatarTrain
from .avatar_advice import (
    AdapterRecommendations,
    AdapterValidation,
    FilesMetadata,
    Recommendations,
    Validation,
)
from .avatar_files import FileDetail, FileFlag, FileList, FileUpload, UnflaggedFiles
from .avatar_persistence import BackUp, Backups, PersistenceStatus, Restore
from .avatar_texts import FileContent, FileDownload

ADAPTER = "adapters/<str:user_id>/<str:avatar_id>"
DATA = "training-data/<str:user_id>/<str:avatar_id>"
KEPT = "persistence/adapters"

# Words before names: a file could else be called like one of them and hide it.
urlpatterns: list[URLPattern] = [
    path(f"{ADAPTER}/create", AvatarCreate.as_view()),
    path(f"{ADAPTER}/train", AvatarTrain.as_view()),
    path(f"{ADAPTER}/info", AvatarInfo.as_view()),
    path(f"{ADAPTER}/training-recommendations", AdapterRecommendations.as_view()),
    path(f"{ADAPTER}/validate-training-data", AdapterValidation.as_view()),
    path(ADAPTER, AvatarAdapter.as_view()),
    path("training-data/content/<uuid:uuid>", FileContent.as_view()),
    path(f"{DATA}/upload", FileUpload.as_view()),
    path(f"{DATA}/list", FileList.as_view()),
    path(f"{DATA}/metadata", FilesMetadata.as_view()),
    path(f"{DATA}/training-recommendations", Recommendations.as_view()),
    path(f"{DATA}/validate-training-data", Validation.as_view()),
    path(f"{DATA}/non-training-files", UnflaggedFiles.as_view()),
    path(f"{DATA}/download/<str:file_name>", FileDownload.as_view()),
    path(f"{DATA}/<str:file_name>/training-flag", FileFlag.as_view()),
    path(f"{DATA}/<str:file_name>", FileDetail.as_view()),
    path(f"{KEPT}/backup/<str:avatar_id>", BackUp.as_view()),
    path(f"{KEPT}/restore/<str:avatar_id>", Restore.as_view()),
    path(f"{KEPT}/backups/<str:avatar_id>", Backups.as_view()),
    path(f"{KEPT}/status/<str:avatar_id>", PersistenceStatus.as_view()),
]
