"""Which versions are handed out: each state of a version, and what clients are told of it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from compliance.models import Permission, Restore
from compliance.services import permissions, stops
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.core import clock
from config.core.actors import SYSTEM
from registry.models import Alias
from registry.services import labels
from tests.factories import accounts, hub
from tests.factories import compliance as judge
from tests.factories import registry as make
from tests.factories.hub import CONFIG, Repository


def _code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.headers.get("X-Error-Code", "")


GATED = (403, "GatedRepo")
NO_REVISION = (404, "RevisionNotFound")


def _stop(digest: str, reason: str = "Wrong doses") -> None:
    officer = accounts.user(Role.COMPLIANCE_OFFICER)
    stops.issue(digest=digest, reason=reason, user=officer, actor=actor_of(officer))


def _commit(client: Client, repo: Repository, revision: str) -> str:
    answer = client.head(repo.url(CONFIG, revision))
    assert answer.status_code == 200, answer.headers
    return str(answer["X-Repo-Commit"])


def test_main_is_the_live_version_and_never_the_newest(client: Client, repo: Repository) -> None:
    hub.permit(repo.v3)
    assert _commit(client, repo, "main") == repo.v2.commit_id
    Alias.objects.filter(adapter=repo.adapter, name="live").update(version=repo.v1)
    assert _commit(client, repo, "main") == repo.v1.commit_id
    assert client.get(repo.api()).json()["sha"] == repo.v1.commit_id


def test_a_revision_is_a_label_an_alias_or_a_whole_commit(client: Client, repo: Repository) -> None:
    for revision in ("v1", "champion", repo.v1.commit_id):
        assert _commit(client, repo, revision) == repo.v1.commit_id
    for revision in (repo.v1.commit_id[:12], "latest", "HEAD", repo.v1.digest, "V1", "0" * 40):
        assert _code(client.head(repo.url(CONFIG, revision))) == NO_REVISION


def test_what_was_never_approved_is_gated_under_every_name(
    client: Client, repo: Repository
) -> None:
    for revision in ("v3", "next", repo.v3.commit_id):
        for path in (repo.url(CONFIG, revision), repo.api(f"/revision/{revision}")):
            assert _code(client.get(path)) == GATED
    named = client.get(repo.api("/refs")).content.decode()
    assert '"next"' not in named and '"v3"' not in named


def test_a_version_is_handed_out_from_the_last_signature_until_its_approval_is_void(
    db: None,
) -> None:
    version = judge.evaluated(make.version(of=make.adapter(safety_class="A"), version_name="v1"))
    client = hub.client_with(accounts.token_text(accounts.user(Role.REVIEWER)))
    url = f"/default/{version.adapter.slug}/resolve/v1/{CONFIG}"
    assert _code(client.head(url)) == GATED
    request = judge.requested(version)
    judge.signer(Role.REVIEWER).sign(request, "reviewed_technical")
    assert _code(client.head(url)) == GATED
    judge.signer(Role.COMPLIANCE_OFFICER).sign(request, "approved")
    assert client.head(url).status_code == 200
    labels.change(
        version=version,
        user=version.submitted_by,
        actor=SYSTEM,
        purpose="Something else",
        population=make.LABEL["population"],
    )
    assert _code(client.head(url)) == NO_REVISION


def test_a_stopped_version_is_no_revision_under_every_name(
    client: Client, repo: Repository
) -> None:
    hub.name(repo.adapter, "prod", repo.v2)
    _stop(repo.v2.digest, "Doses are wrong")
    for revision in ("main", "live", "v2", "prod", repo.v2.commit_id):
        for path in (repo.url(CONFIG, revision), repo.api(f"/revision/{revision}")):
            answer = client.get(path)
            assert _code(answer) == NO_REVISION
            assert "Doses are wrong" in answer["X-Error-Message"]
            assert "Doses are wrong" in answer.json()["error"]
    refs = client.get(repo.api("/refs")).json()
    assert [row["name"] for row in refs["branches"]] == ["champion"]
    assert [row["name"] for row in refs["tags"]] == ["v1"]


@pytest.mark.parametrize("revision", ["main", "champion"])
def test_a_stop_leaves_the_other_versions_of_the_adapter(
    client: Client, repo: Repository, revision: str
) -> None:
    stopped, kept = (repo.v1, repo.v2) if revision == "main" else (repo.v2, repo.v1)
    _stop(stopped.digest)
    assert _commit(client, repo, revision) == kept.commit_id


def test_a_stop_that_only_the_list_outside_the_database_holds_counts(
    client: Client, repo: Repository
) -> None:
    home = Path(settings.FORMULARY_HOME)
    home.mkdir(parents=True, exist_ok=True)
    line = {"act": "stop", "digest": repo.v2.digest, "reason": "Lost in a restore"}
    (home / "stops.jsonl").write_text(json.dumps(line) + "\n")
    answer = client.head(repo.url())
    assert _code(answer) == NO_REVISION
    assert "Lost in a restore" in answer["X-Error-Message"]


def test_nothing_is_handed_out_while_the_list_of_stops_cannot_be_read(
    client: Client, repo: Repository
) -> None:
    (Path(settings.FORMULARY_HOME) / "stops.jsonl").mkdir(parents=True)
    try:
        assert client.head(repo.url()).status_code == 503
    finally:
        (Path(settings.FORMULARY_HOME) / "stops.jsonl").rmdir()


def test_a_permission_that_ended_is_a_withdrawal(client: Client, repo: Repository) -> None:
    permission = Permission.objects.get(version=repo.v2)
    permissions.end(permission=permission, reason="The label changed", actor=SYSTEM)
    answer = client.head(repo.url())
    assert _code(answer) == NO_REVISION
    assert "The label changed" in answer["X-Error-Message"]
    hub.permit(repo.v2)
    assert client.head(repo.url()).status_code == 200


def test_a_permission_that_nobody_renews_is_told_as_trouble_of_ours(
    client: Client, repo: Repository
) -> None:
    old = clock.now() - timedelta(seconds=601)
    Permission.objects.filter(version=repo.v2).update(renewed_at=old)
    answer = client.head(repo.url())
    assert _code(answer) == (503, "")
    assert int(answer["Retry-After"]) > 0


def test_nothing_is_handed_out_while_a_restore_is_held(client: Client, repo: Repository) -> None:
    Restore.objects.create(
        evidence="[stops 9]", checkpoint_size=0, trail_size=0, listed_epoch=9, stops_epoch=1
    )
    for revision in ("main", repo.v1.commit_id):
        assert _code(client.head(repo.url(CONFIG, revision))) == NO_REVISION
    assert client.get("/api/models").json() == []


def test_main_of_an_adapter_without_a_live_version(client: Client, repo: Repository) -> None:
    Alias.objects.filter(adapter=repo.adapter, name="live").delete()
    answer = client.get(repo.api())
    assert _code(answer) == NO_REVISION
    assert "Nothing of icu/triage is live" in answer.json()["error"]
    assert "v1" in answer.json()["error"]
    Permission.objects.all().delete()
    assert _code(client.get(repo.api())) == GATED
    assert _code(client.get(repo.api("/refs"))) == GATED


@pytest.mark.parametrize("name", ["icu/none", "other/triage", "Icu/Triage", "icu/tri_age", "a/b.c"])
def test_an_unknown_repository(client: Client, name: str) -> None:
    for path in (f"/api/models/{name}", f"/{name}/resolve/main/{CONFIG}"):
        assert _code(client.get(path)) == (404, "RepoNotFound")


@pytest.mark.parametrize(
    "path",
    [
        "/api/models/triage",
        "/api/models/triage/revision/main",
        "/api/models/triage/tree/main/notes",
        f"/triage/resolve/main/{CONFIG}",
    ],
)
def test_a_repository_without_its_namespace(client: Client, repo: Repository, path: str) -> None:
    answer = client.get(path)
    assert _code(answer) == (404, "RepoNotFound")
    assert "namespace/slug" in answer.json()["error"]


def test_errors_are_problems_that_hub_clients_can_show(client: Client, repo: Repository) -> None:
    answer = client.get(repo.api("/revision/v9"))
    body = answer.json()
    assert answer["Content-Type"] == "application/problem+json"
    assert body["code"] == "hub-revision-not-found"
    assert body["error"].startswith(body["detail"])
    assert answer["X-Request-Id"] == body["request_id"]


def test_a_reason_in_any_script_is_one_line_of_the_header(client: Client, repo: Repository) -> None:
    _stop(repo.v2.digest, "Änderung:\n\tfalsche Dosis – 危険\x07" + "x" * 900)
    answer = client.head(repo.url())
    told = answer["X-Error-Message"]
    assert "Anderung: falsche Dosis ? ??" in told
    assert told.isascii() and told.isprintable() and len(told) <= 600


def test_nobody_and_a_wrong_token_are_401(client: Client, repo: Repository) -> None:
    for asking in (Client(), hub.client_with("fml_wrong")):
        for path in (repo.url(), repo.api(), "/api/models", "/api/whoami-v2"):
            answer = asking.get(path)
            assert _code(answer) == (401, "")
            assert "HF_TOKEN" in answer["X-Error-Message"]


def test_who_may_pull(repo: Repository) -> None:
    agent = accounts.user(Role.NODE_AGENT)
    application = accounts.user(Role.APPLICATION)
    narrow = accounts.token_text(accounts.engineer(), "versions:write")
    may = hub.client_with(accounts.token_text(agent, "blobs:read"))
    assert may.head(repo.url()).status_code == 200
    for token in (accounts.token_text(application), narrow):
        assert _code(hub.client_with(token).head(repo.url())) == GATED


def test_nothing_can_be_written(client: Client, repo: Repository) -> None:
    for method, path in (
        ("POST", repo.url()),
        ("PUT", repo.url()),
        ("DELETE", repo.api()),
        ("POST", "/api/models"),
    ):
        assert client.generic(method, path).status_code == 405
    for path in ("/api/repos/create", repo.api("/commit/main"), repo.api("/preupload/main")):
        assert client.post(path, {}, content_type="application/json").status_code == 404
