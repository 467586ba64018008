"""The official client, as its users call it, against our server: every move, and what is refused.

``make test-hub`` runs these with three generations of the library.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from compliance.services import stops
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from serving.models import Download
from tests.factories import accounts
from tests.factories.hub import (
    CONFIG,
    LARGE,
    LARGE_BYTES,
    WEIGHTS,
    Run,
    Server,
    digests_of,
    repository,
)

pytestmark = pytest.mark.xdist_group("hub_clients")


def _values(answers: list[Any]) -> Iterator[Any]:
    for answer in answers:
        assert "value" in answer, answer
        yield answer["value"]


def test_every_move_of_the_official_client(server: Server, run: Run) -> None:
    repo = repository()
    here = {"repo_id": repo.id}
    answers = run(
        ("download", {**here, "filename": WEIGHTS}),
        ("download", {**here, "filename": WEIGHTS, "revision": "v1"}),
        ("download", {**here, "filename": CONFIG, "revision": "champion"}),
        ("download", {**here, "filename": WEIGHTS, "revision": repo.v2.commit_id}),
        ("download", {**here, "filename": "notes/how it was made.md"}),
        ("snapshot", here),
        ("snapshot", {**here, "revision": "v1"}),
        ("snapshot", {**here, "revision": repo.v1.commit_id, "allow_patterns": ["*.json"]}),
        ("list_repo_files", here),
        ("model_info", {**here, "files_metadata": True}),
        ("metadata", {**here, "filename": WEIGHTS}),
        token=repo.token,
    )
    mine, first = digests_of(repo.v2), digests_of(repo.v1)
    v1, v2 = repo.v1.commit_id, repo.v2.commit_id
    values = list(_values(answers))
    assert values[0] == {"sha256": mine[WEIGHTS], "commit": v2}
    assert values[1] == {"sha256": first[WEIGHTS], "commit": v1}
    assert values[2] == {"sha256": first[CONFIG], "commit": v1}
    assert values[3] == {"sha256": mine[WEIGHTS], "commit": v2}
    assert values[4]["sha256"] == mine["notes/how it was made.md"]
    handed_out = {CONFIG, WEIGHTS, "README.md", "notes/how it was made.md"}
    assert values[5] == {"commit": v2, "files": {path: mine[path] for path in handed_out}}
    assert values[6] == {"commit": v1, "files": first}
    assert CONFIG in values[7]["files"]
    assert set(values[8]) - {".gitattributes"} == handed_out
    siblings = {row["rfilename"]: row for row in values[9]["siblings"]}
    assert values[9]["sha"] == v2
    assert siblings[WEIGHTS]["lfs"]["sha256"] == mine[WEIGHTS]
    assert values[10]["etag"] == mine[WEIGHTS]
    assert values[10]["commit_hash"] == v2
    assert {row.version_id for row in Download.objects.all()} == {repo.v1.pk, repo.v2.pk}


def test_what_the_official_client_can_ask(server: Server, run: Run) -> None:
    repo = repository()
    here = {"repo_id": repo.id}
    answers = run(
        ("file_exists", {**here, "filename": WEIGHTS}),
        ("file_exists", {**here, "filename": "optimizer.bin"}),
        ("file_exists", {**here, "filename": WEIGHTS, "revision": "v9"}),
        ("repo_exists", here),
        ("repo_exists", {"repo_id": "icu/nothing"}),
        ("revision_exists", {**here, "revision": "champion"}),
        ("revision_exists", {**here, "revision": "v9"}),
        ("list_repo_refs", here),
        ("list_repo_commits", here),
        ("get_paths_info", {**here, "paths": [CONFIG, "notes", "none"], "expand": True}),
        ("list_repo_tree", here),
        ("list_models", {"search": "triage", "limit": 5}),
        ("list_models", {"search": "no such thing"}),
        ("whoami", {}),
        ("repo_exists", {"repo_id": "triage"}),
        ("auth_check", here),
        token=repo.token,
    )
    values = list(_values(answers))
    assert values[:7] == [True, False, False, True, False, True, False]
    refs = values[7]
    branches = {row["name"]: row["target_commit"] for row in refs["branches"]}
    v1, v2 = repo.v1.commit_id, repo.v2.commit_id
    assert branches == {"main": v2, "live": v2, "champion": v1}
    assert {row["name"]: row["target_commit"] for row in refs["tags"]} == {"v1": v1, "v2": v2}
    assert [row["commit_id"] for row in values[8]] == [v2, v1]
    assert values[8][0]["authors"] == [repo.v2.submitted_by.username]
    assert {row["path"] for row in values[9]} == {CONFIG, "notes"}
    assert all(row["last_commit"]["oid"] == v2 for row in values[9])
    assert {row["path"] for row in values[10]} == {CONFIG, WEIGHTS, "README.md", "notes"}
    assert [row["id"] for row in values[11]] == [repo.id]
    assert values[12] == []
    assert values[13]["name"] == repo.reader.username
    assert values[14:] == [False, None]


def test_a_download_that_was_cut_goes_on_where_it_ended(server: Server, run: Run) -> None:
    repo = repository(is_large=True)
    server.cut_after_bytes = LARGE_BYTES - (1 << 20)
    move = ("download_again", {"repo_id": repo.id, "filename": LARGE})
    (value,) = _values(run(move, token=repo.token))
    assert value["sha256"] == digests_of(repo.v2)[LARGE]
    first, *later = server.asked("GET", LARGE)
    assert first.range == ""
    resumed = [row for row in later if row.range]
    assert resumed and all(row.status == 206 for row in resumed)
    begin = int(resumed[0].range.removeprefix("bytes=").removesuffix("-"))
    assert 0 < begin < LARGE_BYTES
    rows = Download.objects.filter(path=LARGE).order_by("pk")
    assert [row.first_byte for row in rows] == [0, begin]
    assert rows[1].size_bytes == LARGE_BYTES - begin


def test_what_is_refused_is_an_error_of_its_kind(server: Server, run: Run) -> None:
    repo = repository()
    application = accounts.token_text(accounts.user(Role.APPLICATION))
    file = {"repo_id": repo.id, "filename": CONFIG}
    moves = (
        ("download", {**file, "revision": "v3"}),
        ("download", {**file, "revision": repo.v3.commit_id}),
        ("snapshot", {"repo_id": repo.id, "revision": "next"}),
        ("download", {**file, "revision": "v9"}),
        ("download", {"repo_id": "icu/nothing", "filename": CONFIG}),
        ("download", {"repo_id": repo.id, "filename": "optimizer.bin"}),
        ("download", {**file, "token": application}),
        ("model_info", {"repo_id": repo.id, "token": False}),
    )
    answers = run(*moves, token=repo.token)
    unapproved, by_commit, by_alias, unknown, nowhere, foreign, no_role, nobody = answers
    for answer in (unapproved, by_commit, by_alias):
        assert answer["error"] == "GatedRepoError", answer
        assert "icu/triage v3" in answer["message"] and "not approved" in answer["message"]
    assert unknown["error"] == "RevisionNotFoundError"
    assert nowhere["error"] == "RepositoryNotFoundError"
    assert "EntryNotFoundError" in foreign["kinds"]
    assert no_role["error"] == "GatedRepoError"
    assert "no scope" in no_role["message"]
    assert "HfHubHTTPError" in nobody["kinds"]
    assert "HF_TOKEN" in nobody["message"]
    assert not Download.objects.exists()


def test_a_stop_reaches_clients_that_hold_a_copy(server: Server, run: Run) -> None:
    repo = repository()
    by_name: list[Any] = [
        ("download", {"repo_id": repo.id, "filename": WEIGHTS, "revision": revision})
        for revision in ("main", "v2", "live")
    ]
    pinned = ("download", {"repo_id": repo.id, "filename": WEIGHTS, "revision": repo.v2.commit_id})
    list(_values(run(*by_name, pinned, token=repo.token)))
    officer = accounts.user(Role.COMPLIANCE_OFFICER)
    stops.issue(
        digest=repo.v2.digest,
        reason="It calls chest pain routine",
        user=officer,
        actor=actor_of(officer),
    )
    fresh = ("metadata", {"repo_id": repo.id, "filename": CONFIG, "revision": repo.v2.commit_id})
    snapshot = ("snapshot", {"repo_id": repo.id})
    *named, cached = run(*by_name, snapshot, fresh, pinned, token=repo.token)
    for answer in named:
        assert answer["error"] == "RevisionNotFoundError", answer
        assert "It calls chest pain routine" in answer["message"]
    # The library asks nobody for a commit that it holds: only the node can refuse this one.
    assert cached["value"]["commit"] == repo.v2.commit_id
