"""The outside validator that is told of every entry."""

import socket
import time
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from compliance.models import AuditEvent
from tests.deliveries.manager.conftest import Validator, settled

pytestmark = pytest.mark.django_db
PATH = "/manager/adapters"


def test_without_a_validator_nobody_waits_for_one(
    client: APIClient, loras: Path, validator: Validator, settings: Any
) -> None:
    path = loras / "a.safetensors"
    path.write_bytes(b"weights")
    told = client.post(PATH, {"name": "one", "file_path": str(path)}).json()["adapter"]
    settings.CIVITAI_VALIDATE_URL = ""
    assert settled(told["id"]).validation == "valid"
    assert validator.asked == []


def test_the_outside_validator_is_asked_with_its_key_L41_L42_L48(
    client: APIClient, loras: Path, validator: Validator
) -> None:
    path = loras / "a.safetensors"
    path.write_bytes(b"weights")
    made = client.post(PATH, {"name": "one", "file_path": str(path)})
    assert made.status_code == 202
    told = made.json()["adapter"]
    assert told["validation_status"] == "pending"
    assert validator.asked == []
    entry = settled(told["id"])
    [(headers, body)] = validator.asked
    assert headers["Authorization"] == "Bearer key-for-the-validator"
    assert headers["Content-Type"] == "application/json"
    assert (body["id"], body["sha256"]) == (told["id"], told["sha256"])
    assert entry.validation == "valid"
    assert AuditEvent.objects.filter(action="entry.validated").count() == 1
    settled(told["id"])
    assert len(validator.asked) == 1
    client.patch(f"{PATH}/{told['id']}", {"tags": ["new"]})
    settled(told["id"])
    assert validator.asked[1][1]["tags"] == ["new"]


@pytest.mark.parametrize(
    ("status", "validation"),
    [(200, "valid"), (422, "invalid"), (500, "pending"), (429, "pending"), (302, "pending")],
)
def test_what_the_validator_says_counts_and_nothing_else_does(
    client: APIClient, loras: Path, validator: Validator, status: int, validation: str
) -> None:
    validator.status = status
    path = loras / "a.safetensors"
    path.write_bytes(b"weights")
    told = client.post(PATH, {"name": "one", "file_path": str(path)}).json()["adapter"]
    entry = settled(told["id"])
    assert entry.validation == validation
    assert str(status) in entry.validation_detail


def test_a_silent_validator_is_waited_for_so_long_and_no_longer_L48(
    client: APIClient, loras: Path, validator: Validator, settings: Any
) -> None:
    assert settings.CIVITAI_TIMEOUT_SECONDS == 30
    settings.CIVITAI_TIMEOUT_SECONDS = 0.2
    path = loras / "a.safetensors"
    path.write_bytes(b"weights")
    told = client.post(PATH, {"name": "one", "file_path": str(path)}).json()["adapter"]
    # A listener that takes the connection and never answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        settings.EGRESS_ALLOW = [f"127.0.0.1:{port}"]
        settings.CIVITAI_VALIDATE_URL = f"http://127.0.0.1:{port}/validate"
        begun = time.monotonic()
        entry = settled(told["id"])
    assert time.monotonic() - begun < 15
    assert entry.validation == "pending"
    assert "could not be asked" in entry.validation_detail


def test_a_validator_that_may_not_be_called_is_not(
    client: APIClient, loras: Path, validator: Validator, settings: Any
) -> None:
    settings.EGRESS_ALLOW = []
    path = loras / "a.safetensors"
    path.write_bytes(b"weights")
    told = client.post(PATH, {"name": "one", "file_path": str(path)}).json()["adapter"]
    entry = settled(told["id"])
    assert (entry.validation, validator.asked) == ("pending", [])
    assert "could not be asked" in entry.validation_detail
