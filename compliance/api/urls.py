"""Paths of the compliance room's API, under /api/v1/."""

from django.urls import path

from .approvals import ApprovalDetail, ApprovalList, Reject, Sign
from .audit import AuditList, AuditVerify
from .checks import CheckList, Gate
from .evaluations import (
    EvaluationDetail,
    EvaluationList,
    EvaluationSetDetail,
    EvaluationSetList,
)
from .restores import RestoreAskResume, RestoreList, RestoreResume
from .stops import PermissionList, StopAskRelease, StopList, StopRelease

urlpatterns = [
    path("checks", CheckList.as_view(), name="checks"),
    path("checks/gate", Gate.as_view(), name="checks-gate"),
    path("evaluation-sets", EvaluationSetList.as_view(), name="evaluation-sets"),
    path("evaluation-sets/<str:ref>", EvaluationSetDetail.as_view(), name="evaluation-set"),
    path("evaluations", EvaluationList.as_view(), name="evaluations"),
    path("evaluations/<uuid:uuid>", EvaluationDetail.as_view(), name="evaluation"),
    path("approval-requests", ApprovalList.as_view(), name="approval-requests"),
    path("approval-requests/<uuid:uuid>", ApprovalDetail.as_view(), name="approval-request"),
    path("approval-requests/<uuid:uuid>/sign", Sign.as_view(), name="approval-sign"),
    path("approval-requests/<uuid:uuid>/reject", Reject.as_view(), name="approval-reject"),
    path("permissions", PermissionList.as_view(), name="permissions"),
    path("restores", RestoreList.as_view(), name="restores"),
    path("restores/<uuid:uuid>/ask-resume", RestoreAskResume.as_view(), name="restore-ask-resume"),
    path("restores/<uuid:uuid>/resume", RestoreResume.as_view(), name="restore-resume"),
    path("stops", StopList.as_view(), name="stops"),
    path("stops/<uuid:uuid>/ask-release", StopAskRelease.as_view(), name="stop-ask-release"),
    path("stops/<uuid:uuid>/release", StopRelease.as_view(), name="stop-release"),
    path("audit", AuditList.as_view(), name="audit"),
    path("audit/verify", AuditVerify.as_view(), name="audit-verify"),
]
