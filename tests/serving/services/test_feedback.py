"""Feedback is taken for seven days, from the time that the answer's id holds."""

from datetime import timedelta

import pytest

from config.core import clock
from config.core.actors import SYSTEM
from config.core.errors import Invalid
from serving.domain import answer_ids
from serving.domain.answer_ids import NONCE_BYTES, AnswerId
from serving.models import Feedback
from serving.services import feedback
from serving.services.answers import answer_mac
from serving.states import Arm
from tests.factories import gateway as make

pytestmark = pytest.mark.django_db


def test_after_seven_days_it_is_closed() -> None:
    base = make.base_model("c" * 64)
    deployment = make.deployment(None, base, by=make.user(), is_base=True)
    issued_at = clock.now()
    answer_id = answer_ids.encode(
        AnswerId(
            deployment_pk=deployment.pk,
            rollout_pk=0,
            arm=Arm.STABLE,
            stage=0,
            version_pk=0,
            issued_at_seconds=int(issued_at.timestamp()),
            nonce=bytes(NONCE_BYTES),
        ),
        mac=answer_mac,
    )
    with (
        clock.frozen_at(issued_at + timedelta(days=7, seconds=1)),
        pytest.raises(feedback.FeedbackClosed),
    ):
        feedback.record(answer_id=answer_id, verdict="bad", actor=SYSTEM)
    with clock.frozen_at(issued_at + timedelta(days=6, hours=23)):
        assert feedback.record(answer_id=answer_id, verdict="bad", actor=SYSTEM).is_counted
    assert Feedback.objects.get().reported_by == SYSTEM.name
    with pytest.raises(Invalid):
        feedback.record(answer_id=answer_id, verdict="worst", actor=SYSTEM)
