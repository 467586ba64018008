"""Verifies that versions, names, evaluations and check results are those that were written down."""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from compliance.domain.results import results_sha256
from compliance.models import CheckResult, CheckRun, EvaluationRun
from compliance.selectors.evaluations import rows_sha256
from compliance.selectors.records import result_sha256
from compliance.selectors.verification_trail import told
from compliance.states import RunState
from config.core.digests import manifest_digest, sha256_hex
from registry.models import Alias, Version, VersionFile


def version_faults() -> Iterator[str]:
    """Versions whose files or digest are not those that were submitted, and versions gone."""
    submitted = {row.object_id: row.object_rev for row in told("version.submitted")}
    files = VersionFile.objects.order_by("version_id").values_list(
        "version_id", "path", "blob__sha256", "blob__size_bytes"
    )
    manifests = {
        pk: manifest_digest([row[1:] for row in rows])
        for pk, rows in groupby(files.iterator(2000), key=itemgetter(0))
    }
    for version in Version.objects.select_related("adapter").order_by("pk").iterator(500):
        name, found = f"version {version.runtime_name}", manifests.get(version.pk, "")
        wanted = submitted.pop(str(version.uuid), None)
        if wanted is None:
            yield f"{name}: the trail has no event of it"
        elif wanted != version.digest:
            yield f"{name}: it was submitted as {wanted[:12]}"
        elif found != version.digest:
            yield f"{name}: its files' manifest is {found[:12] or 'gone'} now"
    for uuid, digest in submitted.items():
        yield f"version {uuid} ({digest[:12]}) is in the trail and its row is gone"


def alias_faults() -> Iterator[str]:
    """Names that mean another version than they were last moved to."""
    last = {
        (row.object_id, name): (row.object_rev, row.after(name))
        for row in told("alias.moved")
        for name in row.diff
    }
    for alias in Alias.objects.select_related("adapter", "version").order_by("pk"):
        digest, to = last.pop((str(alias.adapter.uuid), alias.name), ("", "nothing"))
        if digest != alias.version.digest:
            yield (
                f"alias {alias.name} of {alias.adapter.ref} is {alias.version.runtime_name}, "
                f"the trail moved it to {to}"
            )
    for (uuid, name), (_, to) in last.items():
        yield f"alias {name} of adapter {uuid} ({to}) is in the trail and its row is gone"


def evaluation_faults() -> Iterator[str]:
    """Evaluations whose rows are not those that were recorded."""
    recorded = {row.object_id: row for row in told("evaluation.recorded")}
    done = EvaluationRun.objects.filter(state=RunState.DONE)
    for run in done.select_related("version__adapter", "evaluation_set").order_by("pk"):
        name = f"evaluation {run.uuid} of {run.version.runtime_name} on {run.evaluation_set}"
        event = recorded.pop(str(run.uuid), None)
        if event is None:
            yield f"{name}: the trail has no event of it"
        elif event.after("rows_sha256") != rows_sha256(run):
            yield f"{name}: its rows are not those that were recorded"
        elif event.object_rev != run.digest:
            yield f"{name}: it was recorded for another digest, {event.object_rev[:12]}"
    for uuid in recorded:
        yield f"evaluation {uuid} is in the trail and is no recorded one any more"


def check_faults() -> Iterator[str]:
    """Check runs whose results, or what they were found in, are not what they were.

    Events of a release that did not write these digests yet can't be compared.
    """
    finished = {
        row.object_id: row
        for row in told("check_run.finished")
        if row.after("results_sha256") is not None
    }
    left = dict(finished)
    rows = CheckResult.objects.filter(run__state=RunState.DONE).order_by("run_id", "check_id")
    rows = rows.select_related("run__version__adapter").prefetch_related("findings")
    for run, results in groupby(rows.defer("run__snapshot").iterator(500), key=lambda row: row.run):
        event = left.pop(str(run.uuid), None)
        found = results_sha256((row.check_id, result_sha256(row)) for row in results)
        if event is not None and event.after("results_sha256") != found:
            yield (
                f"check run {run.uuid} ({run.kind}) of {run.version.runtime_name}: its results "
                "are not those that were found"
            )
    for uuid in left:
        yield f"check run {uuid} is in the trail and its results are gone"
    # Each night's runs would make it gigabytes, and no record rests on them.
    runs = CheckRun.objects.filter(state=RunState.DONE).exclude(kind=CheckRun.Kind.LIVE)
    for run_uuid, snapshot in runs.values_list("uuid", "snapshot").iterator(50):
        event = finished.get(str(run_uuid))
        if event is not None and event.after("snapshot_sha256") != sha256_hex(snapshot.encode()):
            yield f"check run {run_uuid}: what it judged is not what is stored now"


def counts() -> dict[str, int]:
    """How many of each there are, for the lines that say that all is in order."""
    return {
        "versions": Version.objects.count(),
        "aliases": Alias.objects.count(),
        "evaluations": EvaluationRun.objects.filter(state=RunState.DONE).count(),
        "checks": CheckRun.objects.filter(state=RunState.DONE).count(),
    }
