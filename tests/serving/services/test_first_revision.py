"""A first version goes live: loaded, proven, evaluated, promoted."""

from compliance.models import AuditEvent
from registry.selectors import live_version
from serving.models import ProbeRun, Replica
from serving.states import ReplicaState
from tests.factories.serving import House


def test_a_first_revision_is_proven_and_promoted(house: House) -> None:
    first = house.version(evaluated_on=[house.evaluation_set()])
    deployment = house.live(first)

    assert deployment.stable_revision is not None
    assert deployment.stable_revision.version == first
    assert live_version(house.adapter) == first
    replica = Replica.objects.get(version=first)
    assert replica.state == ReplicaState.READY
    house.node.row.refresh_from_db()
    assert replica.proven_boot_id == house.node.row.boot_id == house.node.state.boot_id
    assert house.node.loaded() == {first.runtime_name}
    assert ProbeRun.objects.filter(digest=first.digest).count() == 1
    assert ProbeRun.objects.filter(digest=house.base.digest).count() == 1
    assert house.node.ask(first.runtime_name).status_code == 200
    actions = list(AuditEvent.objects.values_list("action", flat=True))
    assert actions.count("rollout.promoted") == 1
    assert actions.count("replica.ready") == 1
