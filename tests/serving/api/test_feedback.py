"""``POST /api/v1/feedback``: the same service as the gateway's, as a problem-shaped API."""

import pytest
from rest_framework.test import APIRequestFactory

from config.accounts.roles import Role
from config.core import clock
from serving.api.feedback import FeedbackList
from serving.domain.answer_ids import NONCE_BYTES, AnswerId, encode
from serving.services.answers import answer_mac
from serving.states import Arm
from tests.factories import gateway as make

pytestmark = pytest.mark.django_db


def test_feedback_over_the_api() -> None:
    base = make.base_model("d" * 64)
    deployment = make.deployment(None, base, by=make.user(), is_base=True)
    answer_id = encode(
        AnswerId(
            deployment_pk=deployment.pk,
            rollout_pk=0,
            arm=Arm.STABLE,
            stage=0,
            version_pk=0,
            issued_at_seconds=int(clock.now().timestamp()),
            nonce=bytes(NONCE_BYTES),
        ),
        mac=answer_mac,
    )
    token = make.token("feedback:write", of=make.user(Role.APPLICATION))

    def post(**body: object) -> tuple[int, dict[str, object]]:
        request = APIRequestFactory().post("/", body, HTTP_AUTHORIZATION=f"Bearer {token}")
        response = FeedbackList.as_view()(request)
        return response.status_code, response.data

    expected = {"answer_id": answer_id, "verdict": "bad", "counted": True}
    assert post(answer_id=answer_id, verdict="bad", category="late") == (200, expected)
    assert post(answer_id=answer_id, verdict="good")[1]["counted"] is False
    assert post(answer_id=answer_id, verdict="worst")[0] == 400
    assert post(answer_id="ans_forged", verdict="bad")[0] == 404
    token = make.token("inference")
    assert post(answer_id=answer_id, verdict="bad")[0] == 403
