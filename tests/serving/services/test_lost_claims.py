"""A load whose agent or node ended counts as a failed one, so that nothing is tried for ever."""

from datetime import timedelta

import pytest
from django.conf import settings

from compliance.models import AuditEvent
from compliance.selectors.audit import parse_body
from config.core import clock
from serving.errors import ClaimLost
from serving.models import Replica
from serving.services import reconciling, replicas
from serving.services.replicas import MAX_LOST_CLAIMS
from serving.states import ReplicaState
from tests.factories.serving import House

LATE = timedelta(seconds=settings.WORK_TAKE_OVER_SECONDS)


@pytest.fixture
def replica(house: House) -> Replica:
    version = house.version()
    return replicas.want(node=house.node.row, version_pk=version.pk, digest=version.digest)


def lost() -> list[str]:
    rows = AuditEvent.objects.filter(action__in=["replica.claim_lost", "replica.failed"])
    return [row.action for row in rows.order_by("pk")]


def test_a_claim_with_a_sign_of_life_is_kept(house: House, replica: Replica) -> None:
    boot_id, now = house.node.state.boot_id, clock.now()
    claim = replicas.claim(replica=replica, boot_id=boot_id)
    with clock.frozen_at(now + LATE / 2):
        replicas.renew_claim(replica=replica, attempt=claim)
    with clock.frozen_at(now + LATE), pytest.raises(ClaimLost):
        replicas.claim(replica=replica, boot_id=boot_id)
    replica.refresh_from_db()
    assert (replica.state, replica.failures_count, lost()) == (ReplicaState.LOADING, 0, [])


def test_the_third_lost_claim_in_a_row_is_a_failure_that_says_why(
    house: House, replica: Replica
) -> None:
    boot_id, now = house.node.state.boot_id, clock.now()
    for number in range(1, MAX_LOST_CLAIMS + 1):
        with clock.frozen_at(now + number * LATE):
            assert replicas.claim(replica=replica, boot_id=boot_id) == number
    with clock.frozen_at(now + (MAX_LOST_CLAIMS + 1) * LATE), pytest.raises(ClaimLost):
        replicas.claim(replica=replica, boot_id=boot_id)
    replica.refresh_from_db()
    assert (replica.state, replica.failures_count) == (ReplicaState.FAILED, MAX_LOST_CLAIMS)
    assert replica.error == "The agent or the node of claim 3 ended while it loaded."
    assert lost() == ["replica.claim_lost", "replica.claim_lost", "replica.failed"]
    last = AuditEvent.objects.filter(action="replica.failed").get()
    assert parse_body(last)["diff"]["state"] == ["loading", "failed"]


def test_a_node_that_starts_anew_ends_its_claims_at_once(house: House, replica: Replica) -> None:
    replicas.claim(replica=replica, boot_id=house.node.state.boot_id)
    house.node.reboot()
    assert house.node.tend()
    replica.refresh_from_db()
    assert (replica.state, replica.failures_count) == (ReplicaState.WANTED, 1)
    assert lost() == ["replica.claim_lost"]


def test_the_reconciler_takes_silent_claims_back(house: House) -> None:
    version = house.version(evaluated_on=[house.evaluation_set()])
    house.live(version)
    row = Replica.objects.get(version=version)
    Replica.objects.filter(pk=row.pk).update(
        state=ReplicaState.LOADING, proven_boot_id=house.node.state.boot_id
    )
    before = row.failures_count
    assert reconciling.reconcile_all() == 0, "its agent may be at work"
    Replica.objects.filter(pk=row.pk).update(changed_at=clock.now() - LATE)
    assert reconciling.reconcile_all() == 1
    row.refresh_from_db()
    assert (row.state, row.failures_count) == (ReplicaState.WANTED, before + 1)
