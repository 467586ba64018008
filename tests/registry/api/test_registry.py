"""Adapters, versions, labels, aliases, base models and blobs through HTTP."""

import hashlib
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from config.accounts.models import User
from config.accounts.services import agents
from config.core.actors import SYSTEM
from registry.models import AliasMove
from registry.services import aliases
from tests.factories import registry as make

pytestmark = pytest.mark.django_db


def test_an_adapter_is_opened_read_changed_and_listed_M18_M20(client: APIClient) -> None:
    make.base_model()
    made = client.post(
        "/api/v1/adapters",
        {"slug": "triage", "name": "Triage", "base_model": "hub/tiny", "safety_class": "A"},
    )
    assert made.status_code == 201, made.content
    assert client.get(made["Location"]).json() == made.json()
    assert made.json()["base_model"] == "tiny"
    again = client.post("/api/v1/adapters", {"slug": "triage", "name": "T", "base_model": "tiny"})
    assert (again.status_code, again.json()["code"]) == (409, "adapter-exists")
    for body, status in (
        ({"slug": "Not Good", "name": "T", "base_model": "tiny"}, 422),
        ({"slug": "x" * 8, "name": "T", "base_model": "unknown"}, 404),
        ({"slug": "123e4567-e89b-12d3-a456-426614174000", "name": "T", "base_model": "tiny"}, 422),
        ({"name": "T"}, 400),
    ):
        assert client.post("/api/v1/adapters", body).status_code == status
    changed = client.patch("/api/v1/adapters/triage", {"tags": ["er", "notes"]})
    assert changed.json()["tags"] == ["er", "notes"]
    refused = client.patch("/api/v1/adapters/triage", {"safety_class": "C"})
    assert refused.status_code == 400
    assert client.get("/api/v1/adapters").json()["results"][0]["tags"] == ["er", "notes"]


def test_the_list_pages_by_key_with_a_fixed_number_of_queries(
    client: APIClient, engineer: User
) -> None:
    def fill(count: int) -> None:
        for _ in range(count):
            adapter = make.adapter(owner=engineer)
            version = make.version(of=adapter)
            make.go_live(version)

    counts = []
    for _ in range(2):
        fill(3)
        client.get("/api/v1/adapters")  # the token's time of use is written once a minute
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page = client.get("/api/v1/adapters?limit=2").json()
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 5
    assert len(page["results"]) == 2
    assert page["results"][0]["live_digest"] == page["results"][0]["newest_digest"]
    seen = [row["slug"] for row in page["results"]]
    while page["next"]:
        page = client.get(page["next"]).json()
        seen += [row["slug"] for row in page["results"]]
    assert len(seen) == len(set(seen)) == 6
    adapter = make.adapter(owner=engineer)
    for _ in range(4):
        make.version(of=adapter)
    with CaptureQueriesContext(connection) as queries:
        rows = client.get(f"/api/v1/adapters/{adapter.ref}/versions").json()["results"]
    assert [row["number"] for row in rows] == [4, 3, 2, 1]
    assert len(queries) <= 7


def test_every_kind_of_reference_finds_the_version(client: APIClient, engineer: User) -> None:
    adapter = make.adapter(slug="triage", namespace="er", owner=engineer)
    version = make.version(of=adapter, version_name="2026.1")
    aliases.move(adapter=adapter, name="candidate", to=version, expected=None, actor=SYSTEM)
    for ref in (
        str(version.uuid),
        "er:triage@2026.1",
        "er:triage@candidate",
        f"er:triage@sha256:{version.digest}",
        f"er:triage@{version.digest[:12]}",
        f"{adapter.uuid}@2026.1",
    ):
        assert client.get(f"/api/v1/versions/{ref}").json()["digest"] == version.digest, ref
    for ref, status in (("triage@2026.1", 404), ("er:triage@v9", 404), ("er:triage", 400)):
        assert client.get(f"/api/v1/versions/{ref}").status_code == status


def test_a_label_is_changed_by_adding_a_revision(client: APIClient, engineer: User) -> None:
    version = make.version(of=make.adapter(owner=engineer))
    path = f"/api/v1/versions/{version.uuid}/label"
    wider = {
        "purpose": "Sorts notes for the front desk",
        "population": [{"attribute": "age_group", "level": "child"}],
        "limits": "Not for emergencies",
    }
    assert client.put(path, wider).json()["revision"] == 2
    assert client.put(path, wider).json()["revision"] == 2
    assert [row["revision"] for row in client.get(path).json()] == [2, 1]
    assert client.get(f"/api/v1/versions/{version.uuid}").json()["label"]["revision"] == 2
    refused = client.put(path, {"purpose": "x", "population": [{"attribute": "age_group"}]})
    assert refused.status_code == 400


def test_an_alias_moves_only_from_where_the_caller_saw_it(
    client: APIClient, engineer: User
) -> None:
    adapter = make.adapter(slug="triage", owner=engineer)
    first, second = make.version(of=adapter), make.version(of=adapter)
    path = "/api/v1/adapters/triage/aliases/candidate"
    assert client.put(path, {"to": "triage@v1", "expected": None}).status_code == 200
    stale = client.put(path, {"to": "triage@v2", "expected": None})
    assert (stale.status_code, stale.json()["code"]) == (409, "alias-moved-meanwhile")
    moved = client.put(
        path, {"to": str(second.uuid), "expected": str(first.uuid), "reason": "better"}
    )
    assert moved.json()["version_name"] == "v2"
    history = client.get(f"{path}/history").json()["results"]
    assert [(row["from_version"], row["to_version"]) for row in history] == [
        ("v1", "v2"),
        (None, "v1"),
    ]
    assert history[0]["moved_by"] == engineer.username
    assert client.get("/api/v1/adapters/triage/aliases").json()["results"][0]["name"] == "candidate"


def test_live_is_moved_by_serving_alone(client: APIClient, engineer: User) -> None:
    adapter = make.adapter(slug="triage", owner=engineer)
    make.version(of=adapter)
    path = "/api/v1/adapters/triage/aliases/live"
    refused = client.put(path, {"to": "triage@v1", "expected": None})
    assert (refused.status_code, refused.json()["code"]) == (403, "alias-protected")
    assert not AliasMove.objects.exists()


def test_blobs_are_streamed_by_digest(client: APIClient, engineer: User) -> None:
    version = make.version(of=make.adapter(owner=engineer))
    for file in client.get(f"/api/v1/versions/{version.uuid}").json()["files"]:
        path = f"/api/v1/blobs/{file['sha256']}"
        head = client.head(path)
        assert head.status_code == 200
        assert int(head["Content-Length"]) == file["size_bytes"]
        answer: Any = client.get(path)
        data = b"".join(answer.streaming_content)
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
    missing = client.get(f"/api/v1/blobs/{'0' * 64}")
    assert (missing.status_code, missing.json()["code"]) == (404, "blob-not-found")
    assert client.head(f"/api/v1/blobs/{'0' * 64}").status_code == 404
    assert client.get("/api/v1/blobs/..%2Fx").status_code == 404


def test_an_agents_token_fetches_blobs_and_can_do_nothing_else() -> None:
    version = make.version()
    _, text = agents.issue_agent_token(node_name="cpu-1", actor=SYSTEM)
    agent = APIClient()
    agent.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    sha256 = version.files.first().blob.sha256
    assert agent.get(f"/api/v1/blobs/{sha256}").status_code == 200
    for path in ("/api/v1/adapters", f"/api/v1/versions/{version.uuid}", "/api/v1/tokens"):
        assert agent.get(path).status_code == 403
    agents.issue_agent_token(node_name="cpu-1", actor=SYSTEM)
    assert agent.get(f"/api/v1/blobs/{sha256}").status_code == 401


def test_base_models_are_listed_and_read(reader: APIClient) -> None:
    base = make.base_model()
    listed = reader.get("/api/v1/base-models").json()["results"]
    assert listed[0]["digest"] == base.digest
    assert reader.get("/api/v1/base-models/tiny").json()["declared_names"][:2] == [
        "tiny",
        "hub/tiny",
    ]


def test_the_schema_and_its_pages_are_there(reader: APIClient) -> None:
    assert b"/api/v1/adapters/{ref}/versions" in reader.get("/api/v1/schema").content
    page = reader.get("/api/v1/schema/redoc")
    assert page.status_code == 200
    assert b"https://" not in page.content
    policy = [part.strip() for part in page["Content-Security-Policy"].split(";")]
    assert "script-src 'self'" in policy
