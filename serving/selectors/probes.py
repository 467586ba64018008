"""Reads of recorded probes."""

from collections.abc import Iterable

from serving.domain.probes import Probe, is_same
from serving.models import Node, ProbeRun


def combination(node: Node) -> dict[str, str]:
    """What a probe is recorded under, apart from the digest, as the node last said."""
    return {
        "base_digest": node.base_model.digest,
        "engine_build": str(node.status.get("engine_build", ""))[:100],
        "device": str(node.status.get("device", ""))[:40],
        "dtype": str(node.status.get("dtype", ""))[:20],
    }


def recorded_probe(node: Node, *, digest: str) -> Probe | None:
    """The record of a version (or of the base, by its digest) under the node's combination."""
    row = ProbeRun.objects.filter(digest=digest, **combination(node)).first()
    return _probe(row) if row else None


def is_same_as_base(digest: str) -> bool | None:
    """Whether a version's newest probe equals the base's: then the adapter does not show.

    None: it was not probed, or the base was not under the same combination.
    """
    return same_as_base([digest])[digest]


def same_as_base(digests: Iterable[str]) -> dict[str, bool | None]:
    """``is_same_as_base`` of many digests, in two queries."""
    wanted = set(digests)
    newest = {row.digest: row for row in ProbeRun.objects.filter(digest__in=wanted).order_by("pk")}
    bases = {
        (row.digest, *_combination(row)): row
        for row in ProbeRun.objects.filter(digest__in={row.base_digest for row in newest.values()})
    }
    found: dict[str, bool | None] = dict.fromkeys(wanted)
    for digest, row in newest.items():
        base = bases.get((row.base_digest, *_combination(row)))
        found[digest] = is_same(_probe(row), _probe(base)) if base else None
    return found


def _combination(row: ProbeRun) -> tuple[str, ...]:
    return row.base_digest, row.engine_build, row.device, row.dtype


def _probe(row: ProbeRun) -> Probe:
    return Probe.from_json({"tokens": row.tokens, "margins": row.margins})
