"""Listings: models with search and pages, trees, refs, commits, paths, and the account."""

from typing import Any

import pytest
from django.test import Client

from compliance.services import stops
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from registry.models import Blob
from serving.hub.files import HubFile
from tests.factories import accounts, hub
from tests.factories import registry as make
from tests.factories.hub import CONFIG, WEIGHTS, Repository


def _ids(client: Client, query: str = "") -> list[str]:
    answer = client.get(f"/api/models{query}")
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()]


def _approved(slug: str, **values: Any) -> str:
    adapter = make.adapter(slug=slug, **values)
    hub.permit(make.version(of=adapter))
    return f"{adapter.namespace}/{adapter.slug}"


def test_the_list_holds_what_is_approved_and_not_stopped(client: Client, repo: Repository) -> None:
    make.version(of=make.adapter(slug="unapproved"))
    stopped = make.version(of=make.adapter(slug="stopped"))
    hub.permit(stopped)
    officer = accounts.user(Role.COMPLIANCE_OFFICER)
    stops.issue(digest=stopped.digest, reason="a", user=officer, actor=actor_of(officer))
    other = _approved("letters")
    rows = client.get("/api/models").json()
    assert [row["id"] for row in rows] == [other, repo.id]
    assert rows[1]["sha"] == repo.v2.commit_id
    assert "sha" not in rows[0], "nothing of it is live"


def test_the_list_is_narrowed_by_words_author_and_tags(client: Client, repo: Repository) -> None:
    other = _approved("letters", name="Discharge letters", tags=["Ärztebrief", 'a"b'])
    assert _ids(client, "?search=TRIAGE") == [repo.id]
    assert _ids(client, "?search=discharge") == [other]
    assert _ids(client, "?search=icu/tri") == [repo.id]
    assert _ids(client, "?search=icu+letters") == []
    assert _ids(client, "?author=icu") == [repo.id]
    assert _ids(client, "?filter=peft") == [other, repo.id]
    assert _ids(client, "?filter=triage&filter=lora") == [repo.id]
    assert _ids(client, "?filter=%C3%84rztebrief") == [other]
    assert _ids(client, "?filter=none") == []


def test_the_list_comes_in_pages_on_our_host(client: Client, repo: Repository) -> None:
    others = [_approved(f"a{number}") for number in range(4)]
    expected, found, address = [*reversed(others), repo.id], [], "/api/models?limit=2"
    for _ in range(3):
        answer = client.get(address)
        found.append([row["id"] for row in answer.json()])
        link = answer.headers.get("Link", "")
        assert link == "" or link.startswith("<http://testserver/api/models?")
        address = link[1 : link.index(">")] if link else ""
    assert found == [expected[:2], expected[2:4], expected[4:]]
    assert address == ""


@pytest.mark.parametrize(
    "query", ["sort=likes", "direction=1", "limit=0", "limit=x", "cursor=-1", "gated=true", "x=1"]
)
def test_what_the_list_does_not_know_is_refused(client: Client, query: str) -> None:
    answer = client.get(f"/api/models?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] == "hub-query-unsupported"


def test_a_model_says_what_is_known_of_it(client: Client, repo: Repository) -> None:
    plain = client.get(repo.api()).json()
    assert plain["id"] == plain["modelId"] == repo.id
    assert plain["library_name"] == "peft"
    assert plain["pipeline_tag"] == "text-generation"
    assert plain["cardData"]["base_model"] == "tiny"
    assert "base_model:adapter:tiny" in plain["tags"]
    assert all(set(row) == {"rfilename"} for row in plain["siblings"])
    for flag in ("true", "True"):
        blobs = client.get(repo.api(f"/revision/v1?blobs={flag}")).json()
        rows = {row["rfilename"]: row for row in blobs["siblings"]}
        assert {path: row["lfs"]["sha256"] for path, row in rows.items()} == hub.digests_of(repo.v1)


def test_a_tree_has_folders_and_git_ids_of_lfs_pointers(client: Client, repo: Repository) -> None:
    top = {row["path"]: row for row in client.get(repo.api("/tree/main")).json()}
    assert set(top) == {CONFIG, WEIGHTS, "README.md", "notes"}
    assert top["notes"]["type"] == "directory"
    every = client.get(repo.api("/tree/main?recursive=True&expand=False")).json()
    assert [row["path"] for row in every if row["type"] == "file"] == sorted(
        [CONFIG, WEIGHTS, "README.md", "notes/how it was made.md"]
    )
    below = client.get(repo.api("/tree/main/notes")).json()
    assert [row["path"] for row in below] == ["notes/how it was made.md"]
    assert client.get(repo.api("/tree/main/none"))["X-Error-Code"] == "EntryNotFound"
    weights = top[WEIGHTS]
    assert weights["lfs"]["oid"] == hub.digests_of(repo.v2)[WEIGHTS]
    assert len(weights["oid"]) == 40 and weights["lfs"]["pointerSize"] > 120


def test_the_git_id_of_a_file_is_what_git_says_of_its_pointer() -> None:
    file = HubFile("a", Blob(sha256="4d7a2146" + "0" * 56, size_bytes=12345))
    assert file.pointer.decode().splitlines() == [
        "version https://git-lfs.github.com/spec/v1",
        f"oid sha256:{file.sha256}",
        "size 12345",
    ]
    assert file.git_oid == "ccc4e1af9fecae27b5c5789877f68366dbf63972"


def test_commits_are_the_approved_versions_up_to_the_revision(
    client: Client, repo: Repository
) -> None:
    hub.permit(repo.v3)
    assert [row["title"] for row in client.get(repo.api("/commits/v2")).json()] == ["v2", "v1"]
    assert [row["title"] for row in client.get(repo.api("/commits/next")).json()] == [
        "v3",
        "v2",
        "v1",
    ]


def test_paths_are_looked_up_by_form_and_by_json(client: Client, repo: Repository) -> None:
    paths = [CONFIG, "notes", "optimizer.bin"]
    form = client.post(repo.api("/paths-info/main"), {"paths": paths, "expand": "False"})
    as_json = client.post(
        repo.api("/paths-info/main"), {"paths": paths}, content_type="application/json"
    )
    assert form.json() == as_json.json()
    assert [row["path"] for row in form.json()] == [CONFIG, "notes"]
    empty = client.post(repo.api("/paths-info/main"), {}, content_type="application/json")
    assert empty.status_code == 400


def test_whoami_names_account_and_token(client: Client, repo: Repository) -> None:
    body = client.get("/api/whoami-v2").json()
    assert body["type"] == "user"
    assert body["name"] == repo.reader.username
    assert body["auth"]["accessToken"] | {"createdAt": ""} == {
        "displayName": "test",
        "role": "read",
        "createdAt": "",
    }


def test_a_page_of_models_costs_the_same_queries_for_two_and_for_ten(
    client: Client, repo: Repository, django_assert_max_num_queries: Any
) -> None:
    for number in range(9):
        _approved(f"b{number}")
    client.get("/api/models")
    with django_assert_max_num_queries(14):
        assert len(_ids(client)) == 10
