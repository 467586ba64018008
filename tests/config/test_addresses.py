"""Of an address only the route and ids of ours are put on record."""

import uuid

import pytest
from rest_framework.test import APIClient

from compliance.models import AuditEvent
from config.accounts.roles import Role
from tests.factories import accounts

pytestmark = pytest.mark.django_db


@pytest.fixture
def application() -> APIClient:
    client = APIClient()
    token = accounts.token_text(accounts.user(Role.APPLICATION))
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def _on_record() -> list[str]:
    return list(
        AuditEvent.objects.filter(action="access.refused").values_list("object_id", flat=True)
    )


def test_text_in_an_address_is_not_kept(application: APIClient) -> None:
    assert application.get("/api/v1/versions/ms-miller-born-1950").status_code == 403
    assert _on_record() == ["GET /api/v1/versions/<ref>"]


def test_an_id_of_ours_is_kept(application: APIClient) -> None:
    number = uuid.uuid4()
    assert application.post(f"/api/v1/stops/{number}/release").status_code == 403
    assert _on_record() == [f"POST /api/v1/stops/{number}/release"]
