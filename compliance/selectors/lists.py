"""Rows for lists, with all that a list shows fetched at once."""

from uuid import UUID

from django.db.models import QuerySet

from compliance.models import (
    ApprovalRequest,
    CheckRun,
    EvaluationRun,
    EvaluationSet,
    Permission,
    Stop,
)
from compliance.selectors.refs import parse_uuid
from config.core.errors import NotFound
from registry.models import Version


def check_runs(version: Version | None = None) -> QuerySet[CheckRun]:
    """Runs with results and findings."""
    rows = CheckRun.objects.select_related("version__adapter").prefetch_related("results__findings")
    rows = rows.defer("snapshot")
    return rows.filter(version=version) if version else rows


def evaluation_sets() -> QuerySet[EvaluationSet]:
    """All locked sets."""
    return EvaluationSet.objects.select_related("locked_by")


def evaluation_runs(version: Version | None = None) -> QuerySet[EvaluationRun]:
    """Runs of sets; those of a version by its digest, whoever asked for them."""
    rows = EvaluationRun.objects.select_related(
        "version__adapter", "evaluation_set", "requested_by"
    )
    return rows.filter(digest=version.digest) if version else rows


def run_by_uuid(uuid: UUID | str) -> EvaluationRun:
    """The run with this uuid.

    Raises:
        NotFound: there is none.
    """
    found = evaluation_runs().filter(uuid=parse_uuid(uuid)).first()
    if found is None:
        raise NotFound(f"There is no evaluation {uuid}.", fix="List /api/v1/evaluations.")
    return found


def approval_requests(version: Version | None = None) -> QuerySet[ApprovalRequest]:
    """Requests for approval."""
    rows = ApprovalRequest.objects.select_related("version__adapter", "record", "requested_by")
    return rows.filter(version=version) if version else rows


def all_permissions(version: Version | None = None) -> QuerySet[Permission]:
    """Permissions, ended ones too."""
    rows = Permission.objects.select_related("version__adapter")
    return rows.filter(version=version) if version else rows


def all_stops() -> QuerySet[Stop]:
    """Stops, released ones too."""
    return Stop.objects.select_related("issued_by", "release_asked_by", "released_by")
