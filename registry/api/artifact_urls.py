"""Paths of the artifact contract; mounted at the root and under /lambda/.

What the contract doesn't know is its own 404: the two prefixes are nobody else's.
"""

from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt

from .artifact_contract import not_found
from .artifacts import ArtifactDetail, ArtifactUnnamed, ArtifactUpload

# Django takes it where these paths are all there are: in the Lambda function.
handler500 = "registry.api.artifact_contract.failed"
urlpatterns: list[URLPattern] = [
    path("artifact/<str:artifact_type>", ArtifactUpload.as_view(), name="artifact-upload"),
    path("artifacts/<str:artifact_type>", ArtifactUnnamed.as_view()),
    path("artifacts/<str:artifact_type>/", ArtifactUnnamed.as_view()),
    path("artifacts/<str:artifact_type>/<path:id>", ArtifactDetail.as_view(), name="artifact"),
    re_path(r"^.*$", csrf_exempt(not_found)),
]
