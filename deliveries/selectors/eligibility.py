"""Which entries may not be composed because of what the registry knows of the same bytes."""

from collections import defaultdict
from collections.abc import Iterable

from compliance.models import ApprovalRequest
from compliance.selectors.permissions import open_permissions
from compliance.selectors.stops import stopped_digests
from compliance.states import ApprovalState, Purpose
from registry.models import VersionFile

CLINICAL = ("medical", "clinical")


def left_out(sha256s: Iterable[str]) -> dict[str, str]:
    """SHA-256 of a file → why it may not be composed; files that may be are not in it.

    A file is judged by every version that holds its bytes: one that is stopped rules it out, one
    that is approved rules it in; else a refused one rules it out, and one of a medical or clinical
    type that nobody approved. Of what the registry does not know nothing is said.
    """
    versions: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    rows = VersionFile.objects.filter(blob__sha256__in={sha for sha in sha256s if sha})
    for sha256, key, digest, kind in rows.values_list(
        "blob__sha256", "version_id", "version__digest", "version__adapter__adapter_type"
    ):
        versions[sha256].append((key, digest, kind))
    if not versions:
        return {}
    keys = {key for found in versions.values() for key, *_ in found}
    stopped = stopped_digests()
    approved = set(
        open_permissions(Purpose.SERVE)
        .filter(version_id__in=keys)
        .values_list("version_id", flat=True)
    )
    refused = _refused(keys)
    why = {}
    for sha256, found in versions.items():
        if any(digest in stopped for _, digest, _ in found):
            why[sha256] = "the registry has stopped these weights"
        elif any(key in approved for key, *_ in found):
            continue
        elif any(key in refused for key, *_ in found):
            why[sha256] = "the registry has refused these weights"
        elif any(kind.startswith(CLINICAL) for *_, kind in found):
            why[sha256] = "the registry knows these weights as medical, and nobody approved them"
    return why


def _refused(keys: set[int]) -> set[int]:
    """Versions whose newest request for approval was rejected."""
    newest: dict[int, str] = {}
    rows = ApprovalRequest.objects.filter(version_id__in=keys).order_by("version_id", "revision")
    for key, state in rows.values_list("version_id", "state"):
        newest[key] = state
    return {key for key, state in newest.items() if state == ApprovalState.REJECTED}
