"""Reads of recorded probes."""

from typing import Any

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
    row = ProbeRun.objects.filter(digest=digest).order_by("-pk").first()
    if row is None:
        return None
    same: dict[str, Any] = {
        "base_digest": row.base_digest,
        "engine_build": row.engine_build,
        "device": row.device,
        "dtype": row.dtype,
    }
    base = ProbeRun.objects.filter(digest=row.base_digest, **same).first()
    return is_same(_probe(row), _probe(base)) if base else None


def _probe(row: ProbeRun) -> Probe:
    return Probe.from_json({"tokens": row.tokens, "margins": row.margins})
