"""Compares an agent's probe with the record, and records the first one of each combination."""

from registry.models import Version
from serving.domain.probes import Probe, disagreement
from serving.errors import ProofRefused
from serving.models import Node, ProbeRun
from serving.selectors.probes import combination, recorded_probe


def check_and_record(
    *, node: Node, version: Version, probe: object, base_probe: object = None
) -> None:
    """Hold a probe against the record for this digest, base, engine build, device and dtype.

    The first one under a combination becomes the record, and so does the base's, which later
    probes are compared with for "same as base".

    Raises:
        ProofRefused: it is malformed, or comes from other weights.
    """
    found = _read(probe)
    known = recorded_probe(node, digest=version.digest)
    if known is not None:
        why = disagreement(known, found)
        if why:
            raise ProofRefused(
                f"The probe of {version.runtime_name} differs from its record: {why}.",
                fix="See whether the node's engine or base changed; load the version again.",
            )
    else:
        _record(node, digest=version.digest, probe=found)
    if base_probe is not None and recorded_probe(node, digest=node.base_model.digest) is None:
        _record(node, digest=node.base_model.digest, probe=_read(base_probe))


def _read(value: object) -> Probe:
    try:
        return Probe.from_json(value)
    except ValueError as error:
        raise ProofRefused(f"The probe is malformed: {error}.", fix="Update the agent.") from error


def _record(node: Node, *, digest: str, probe: Probe) -> None:
    # Whoever was first has the record; a second one at the same moment agrees or is refused later.
    ProbeRun.objects.get_or_create(
        digest=digest,
        **combination(node),
        defaults={**probe.as_json(), "node_name": node.name},
    )
