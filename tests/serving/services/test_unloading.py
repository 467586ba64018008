"""Replicas that are loaded anew: somebody always answers meanwhile."""

import threading

import pytest
from django.db import transaction

from serving.errors import LastReplica
from serving.models import Replica
from serving.services import unloading
from serving.states import ReplicaState
from tests.factories.at_once import at_once, lock_waiters
from tests.factories.trials import Desk
from tests.flows.waiting import until


@pytest.mark.django_db(transaction=True)
def test_of_two_that_load_both_replicas_anew_at_once_one_is_refused() -> None:
    desk = Desk()
    desk.nodes.append(desk.add_node())
    version = desk.version()
    first, second = Replica.objects.filter(version=version).order_by("pk")
    taken = threading.Event()

    def take() -> str:
        with transaction.atomic():
            unloading.begin_reload(replica=first, **desk.by())
            taken.set()
            until(lock_waiters)
        return "taken"

    def take_the_other() -> str:
        assert taken.wait(30)
        with pytest.raises(LastReplica):
            unloading.begin_reload(replica=second, **desk.by())
        return "refused"

    told = at_once(lambda index: (take, take_the_other)[index](), count=2)
    assert sorted(told) == ["refused", "taken"]
    second.refresh_from_db()
    assert second.state == ReplicaState.READY
