"""Reads of replicas."""

from django.db.models import QuerySet

from serving.models import Replica


def replicas() -> QuerySet[Replica]:
    """All replicas with their nodes and versions, newest first."""
    return Replica.objects.select_related("node", "version__adapter").order_by("-pk")
