"""Versions that a check blocks, asked so that a database with thousands of them is quick."""

from django.db.models import Exists, OuterRef, QuerySet

from compliance.models import CheckRun
from compliance.states import RunState
from registry.models import Version

KINDS = (CheckRun.Kind.PACKAGE, CheckRun.Kind.EVIDENCE)


def finished_runs(*, version: OuterRef) -> QuerySet[CheckRun]:
    """The finished runs of the outer query's version."""
    return CheckRun.objects.filter(version=version, kind__in=KINDS, state=RunState.DONE)


def blocking_run() -> Exists:
    """Whether the newest finished run of the outer version blocks it.

    No order and no limit: with them PostgreSQL walks the primary key back for each version.
    """
    newer = finished_runs(version=OuterRef("version")).filter(pk__gt=OuterRef("pk"))
    return Exists(finished_runs(version=OuterRef("pk")).filter(~Exists(newer), is_blocked=True))


def newest_blocked() -> QuerySet[Version]:
    """The newest version of each adapter, where it is blocked."""
    newer = Version.objects.filter(adapter=OuterRef("adapter"), number__gt=OuterRef("number"))
    return Version.objects.filter(~Exists(newer), blocking_run())
