"""Nodes: registered, observed, misfit, booted anew, told of leases and stops."""

import pytest

from compliance.models import AuditEvent
from compliance.services import stops
from config.accounts.selectors import actor_of
from config.core.actors import SYSTEM
from serving.domain.reconcile import DEFAULT_TIMING
from serving.errors import ClaimLost, NodeExists, NodeInvalid
from serving.models import Node, Replica
from serving.selectors.routing import build_snapshot
from serving.services import nodes, reconciling, replicas
from serving.states import ReplicaState
from tests.factories import registry as make
from tests.factories.serving import SECRET, House


def test_registering_again_changes_nothing_and_another_base_is_refused(house: House) -> None:
    row = house.node.row
    values = {"name": row.name, "url": row.url, "secret": SECRET, "engine": "memory"}
    before = AuditEvent.objects.count()
    same = nodes.register(base_model=house.base, actor=SYSTEM, **values)
    assert same.pk == row.pk and AuditEvent.objects.count() == before
    with pytest.raises(NodeExists):
        nodes.register(base_model=make.base_model(slug="other", seed=7), actor=SYSTEM, **values)
    for wrong in ({"secret": "short"}, {"url": "ftp://x"}, {"name": "Big Name"}):
        with pytest.raises(NodeInvalid):
            nodes.register(base_model=house.base, actor=SYSTEM, **{**values, **wrong})
    assert SECRET.encode() not in bytes(Node.objects.get().secret_encrypted)


def test_a_new_boot_id_means_everything_is_proven_again(house: House) -> None:
    first = house.version(evaluated_on=[house.evaluation_set()])
    deployment = house.live(first)
    key = f"version:{first.pk}"
    assert key in build_snapshot().upstreams
    house.node.reboot()
    assert house.node.tend()
    replica = Replica.objects.get(version=first)
    assert (replica.state, replica.proven_boot_id) == (ReplicaState.WANTED, "")
    assert key not in build_snapshot().upstreams
    house.settle(2)
    replica.refresh_from_db()
    assert replica.state == ReplicaState.READY
    assert replica.proven_boot_id == house.node.state.boot_id
    assert build_snapshot().deployments[deployment.public_name].stable is not None
    assert key in build_snapshot().upstreams


def test_a_node_with_another_base_is_flagged_and_not_used(house: House) -> None:
    house.live(house.version(evaluated_on=[house.evaluation_set()]))
    house.node.reboot(base_digest="f" * 64)
    assert not house.node.tend()
    house.node.row.refresh_from_db()
    assert "start it with the registered base model" in house.node.row.last_error
    assert build_snapshot().upstreams == {}
    assert reconciling.reconcile_all() == 0
    house.node.reboot()
    assert house.node.tend()
    house.node.row.refresh_from_db()
    assert house.node.row.last_error == ""


def test_a_node_with_too_small_a_rank_does_not_get_the_version(house: House) -> None:
    house.nodes.clear()
    Node.objects.update(is_enabled=False)
    house.add_node(max_rank=4)
    deployment = house.deployment()
    rollout = house.start(deployment, house.version(rank=8))
    house.settle(2)
    rollout.refresh_from_db()
    assert rollout.trigger == "validation_failed"
    assert "--max-rank" in rollout.reason
    assert not Replica.objects.exists()


def test_a_node_that_is_gone_keeps_its_rows_and_says_so(house: House) -> None:
    house.live(house.version(evaluated_on=[house.evaluation_set()]))
    house.node.stop()
    assert not house.node.tend()
    house.node.row.refresh_from_db()
    assert "does not answer" in house.node.row.last_error
    assert Replica.objects.get().state == ReplicaState.READY


def test_what_vanished_from_the_node_is_loaded_again(house: House) -> None:
    first = house.version(evaluated_on=[house.evaluation_set()])
    house.live(first)
    house.node.state.engine.unload(first.runtime_name)
    house.node.tend()
    assert Replica.objects.get().state == ReplicaState.WANTED
    house.settle(2)
    assert house.node.loaded() == {first.runtime_name}
    assert Replica.objects.get().state == ReplicaState.READY


def test_leases_follow_the_permissions_and_stops_reach_the_node(house: House) -> None:
    first = house.version(evaluated_on=[house.evaluation_set()])
    house.live(first)
    house.node.tend()
    held = {key.digest: left for key, left in house.node.state.leases.live()}
    assert 0 < held[first.digest] <= 600
    stops.issue(
        digest=first.digest, reason="wrong", user=house.operator, actor=actor_of(house.operator)
    )
    house.node.tend()
    assert first.digest in house.node.state.stops.digests
    assert house.node.state.leases.live() == []
    house.node.row.refresh_from_db()
    assert house.node.row.stops_epoch_seen == house.node.state.stops.epoch
    # A node that starts anew has no stops yet: the next round gives them to it.
    house.node.reboot()
    house.node.tend()
    assert first.digest in house.node.state.stops.digests


def test_two_nodes_both_hold_what_is_live(house: House) -> None:
    house.add_node()
    first = house.version(evaluated_on=[house.evaluation_set()])
    house.live(first)
    assert [twin.loaded() for twin in house.nodes] == [{first.runtime_name}] * 2
    assert len(build_snapshot().upstreams[f"version:{first.pk}"]) == 2
    nodes.set_enabled(node=house.nodes[0].row, is_enabled=False, reason="repair", actor=SYSTEM)
    assert [up.node for up in build_snapshot().upstreams[f"version:{first.pk}"]] == [
        house.nodes[1].name
    ]


def test_of_two_claims_one_is_lost_and_a_dead_one_is_taken_over(house: House) -> None:
    version = house.version()
    replica = replicas.want(node=house.node.row, version_pk=version.pk, digest=version.digest)
    boot_id = house.node.state.boot_id
    claim = replicas.claim(replica=replica, boot_id=boot_id)
    with pytest.raises(ClaimLost):
        replicas.claim(replica=replica, boot_id=boot_id)
    from datetime import timedelta

    from config.core import clock

    late = timedelta(seconds=DEFAULT_TIMING.load_take_over + 1)
    with clock.frozen_at(clock.now() + late):
        second = replicas.claim(replica=replica, boot_id=boot_id)
    assert second == claim + 1
    with pytest.raises(ClaimLost):
        replicas.acknowledge_failed(replica=replica, attempt=claim, error="late", actor=SYSTEM)
    third = replicas.claim(replica=replica, boot_id="another boot")
    assert third == second + 1
