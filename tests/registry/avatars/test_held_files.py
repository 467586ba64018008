"""Training files under a legal hold: neither their texts nor their keys go."""

import threading
from typing import Any

import pytest
from django.db import transaction

from registry.models import TrainingFile
from registry.services import holds, training_files
from tests.factories import accounts
from tests.factories import registry as make
from tests.factories.at_once import at_once, lock_waiters
from tests.flows.waiting import until

from .conftest import NOTE, Caller

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("named", ["text", "bytes"])
def test_a_legal_hold_keeps_text_and_key(anna: Caller, named: str) -> None:
    anna.create()
    anna.upload({"a.txt": NOTE, "b.txt": b"b"}, query="?use_for_training=false")
    file = TrainingFile.objects.select_related("blob").get(name="a.txt")
    digest = file.sha256 if named == "text" else file.blob.sha256
    (hold,) = holds.place(sha256s=[digest], matter="case 1", reason="asked", actor=make.SYSTEM)
    for answer in (
        anna.client.delete(anna.data("a.txt")),
        anna.client.delete(anna.data("non-training-files")),
        anna.client.delete(anna.adapter()),
        anna.upload({"a.txt": b"other"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "training-file-held")
    assert TrainingFile.objects.count() == 2
    with training_files.open_text(TrainingFile.objects.get(name="a.txt")) as stream:
        assert stream.read() == NOTE
    holds.release(uuid=hold.uuid, reason="settled", actor=make.SYSTEM)
    assert anna.client.delete(anna.data("a.txt")).status_code == 200


@pytest.mark.parametrize("named", ["text", "bytes"])
@pytest.mark.django_db(transaction=True)
def test_a_hold_that_is_being_placed_is_waited_for(named: str) -> None:
    make.base_model()
    anna = Caller(accounts.engineer(username="anna"))
    anna.create()
    anna.upload({"a.txt": NOTE})
    file = TrainingFile.objects.select_related("blob").get()
    digest = file.sha256 if named == "text" else file.blob.sha256
    taken = threading.Event()

    def place() -> int:
        with transaction.atomic():
            holds.place(sha256s=[digest], matter="case 1", reason="asked", actor=make.SYSTEM)
            taken.set()
            until(lock_waiters)
        return 0

    def delete() -> Any:
        assert taken.wait(30)
        return anna.client.delete(anna.data("a.txt")).status_code

    assert sorted(at_once(lambda index: (place, delete)[index](), count=2)) == [0, 409]
    with training_files.open_text(TrainingFile.objects.get()) as stream:
        assert stream.read() == NOTE
