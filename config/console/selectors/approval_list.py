"""The list of requests for approval: whose turn it is, and how far each has come."""

from collections.abc import Mapping

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from compliance.models import ApprovalRequest, Signature
from config.console import words

STATES = {name: word.text for name, word in words.APPROVAL.items()}


def approval_list(query: Mapping[str, str]) -> QuerySet[ApprovalRequest]:
    """Requests that the filters ask for, with the number of signatures that are there."""
    signed = (
        Signature.objects.filter(request=OuterRef("pk"))
        .order_by()
        .values("request")
        .annotate(count=Count("pk"))
        .values("count")
    )
    rows = ApprovalRequest.objects.select_related(
        "version__adapter", "requested_by__person"
    ).annotate(signed=Coalesce(Subquery(signed), 0))
    if text := query.get("q", "").strip():
        rows = rows.filter(
            Q(version__version_name__icontains=text)
            | Q(version__adapter__name__icontains=text)
            | Q(version__adapter__slug__icontains=text)
        )
    if (state := query.get("state", "")) in STATES:
        rows = rows.filter(state=state)
    return rows


def due(request: ApprovalRequest) -> str:
    """The meaning of the signature that comes next; empty where none does."""
    signed: int = request.signed  # type: ignore[attr-defined]
    left = request.required_meanings[signed:]
    return str(left[0]) if left and request.state == "open" else ""
