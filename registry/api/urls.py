"""Paths of the registry's API, under /api/v1/."""

from django.urls import path, re_path

from .adapters import AdapterDetail, AdapterList, BaseModelDetail, BaseModelList
from .aliases import AliasDetail, AliasHistory, AliasList
from .blobs import BlobDetail
from .holds import HoldDetail, HoldList, HoldRelease
from .resumable import UploadDetail, UploadList
from .signed_urls import BlobUrl, UploadTaken, UploadUrl
from .training import (
    TrainingRunCancel,
    TrainingRunDetail,
    TrainingRunEvents,
    TrainingRunList,
)
from .versions import VersionDetail, VersionLabel, VersionList

urlpatterns = [
    path("base-models", BaseModelList.as_view()),
    path("base-models/<str:name>", BaseModelDetail.as_view()),
    path("adapters", AdapterList.as_view(), name="adapters"),
    path("adapters/<str:ref>", AdapterDetail.as_view(), name="adapter"),
    path("adapters/<str:ref>/versions", VersionList.as_view(), name="adapter-versions"),
    path("adapters/<str:ref>/aliases", AliasList.as_view(), name="adapter-aliases"),
    path("adapters/<str:ref>/aliases/<str:name>", AliasDetail.as_view(), name="alias"),
    path("adapters/<str:ref>/aliases/<str:name>/history", AliasHistory.as_view()),
    path("versions/<str:ref>", VersionDetail.as_view(), name="version"),
    path("versions/<str:ref>/label", VersionLabel.as_view(), name="version-label"),
    re_path(r"^blobs/(?P<sha256>[0-9a-f]{64})$", BlobDetail.as_view(), name="blob"),
    path("blobs/<str:sha256>/url", BlobUrl.as_view(), name="blob-url"),
    path("holds", HoldList.as_view(), name="holds"),
    path("holds/<uuid:uuid>", HoldDetail.as_view(), name="hold"),
    path("holds/<uuid:uuid>/release", HoldRelease.as_view(), name="hold-release"),
    path("training-runs", TrainingRunList.as_view(), name="training-runs"),
    path("training-runs/<uuid:uuid>", TrainingRunDetail.as_view(), name="training-run"),
    path("training-runs/<uuid:uuid>/cancel", TrainingRunCancel.as_view()),
    path("training-runs/<uuid:uuid>/events", TrainingRunEvents.as_view()),
    path("uploads", UploadList.as_view(), name="uploads"),
    path("uploads/<uuid:uuid>", UploadDetail.as_view(), name="upload"),
    path("uploads/<uuid:uuid>/url", UploadUrl.as_view(), name="upload-url"),
    path("uploads/<uuid:uuid>/complete", UploadTaken.as_view(), name="upload-complete"),
]
