"""``formulary check``, ``stop``, ``status`` and ``deploy`` against a real server."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from compliance.models import Stop
from compliance.selectors import open_serve_permission
from config.accounts.models import User
from deliveries.cli.access import find_access
from deliveries.cli.api import Api
from deliveries.cli.endings import Exit
from deliveries.cli.main import main
from registry.models import Adapter, Version
from serving.models import Rollout
from tests.factories import accounts, serving
from tests.factories import compliance as judge
from tests.factories import registry as make

from .conftest import Command, folder_of


@pytest.fixture
def version(adapter: Adapter, url: str) -> Version:
    return make.version(of=adapter, version_name="v1")


def test_findings_of_the_server_in_the_form_of_a_local_check(
    command: Command, version: Version
) -> None:
    waiting = command("check", "triage@v1", "--timeout", "0", "--json")
    assert (waiting.code, waiting.body["error"]["code"]) == (Exit.AWAY, "timeout")
    judge.run_checks(version)
    found = command("check", "triage@v1", "--json")
    assert found.code == Exit.OK, found.out
    assert found.body["verdict"] == "pass"
    assert {"id", "state", "severity", "message", "fix", "object"} == set(found.body["findings"][0])
    assert "TEC-06" in {row["id"] for row in found.body["findings"]}
    assert "Verdict: nothing blocks" in command("check", str(version.uuid)).out
    evidence = command("check", "triage@v1", "--evidence", "--json")
    assert (evidence.code, evidence.body["findings"][0]["id"]) == (Exit.REFUSED, "CLN-01")
    assert command("check", "triage@none").code == Exit.REFUSED


def test_push_waits_for_the_checks_and_ends_with_1_where_they_block(
    command: Command, adapter: Adapter, tmp_path: Path
) -> None:
    files = make.package(seed=71, base_name="somebody/else")
    done = threading.Event()

    def be_the_worker() -> None:
        while not done.wait(0.1):
            for each in Version.objects.all():
                judge.run_checks(each)
        connection.close()

    worker = threading.Thread(target=be_the_worker)
    worker.start()
    try:
        ran = command("push", folder_of(files, tmp_path / "run"), "--adapter", "triage",
                      "--wait", "--json")  # fmt: skip
    finally:
        done.set()
        worker.join(60)
    assert ran.code == Exit.REFUSED
    assert ran.body["verdict"] == "blocked"
    assert ran.body["findings"][0]["id"] == "TEC-06"
    assert ran.body["is_new"] is True


def test_a_stop_is_confirmed_and_takes_a_digest_or_a_version(
    command: Command, version: Version
) -> None:
    unasked = command("stop", "triage@v1", "--reason", "harm")
    assert unasked.code == Exit.WRONG_USE
    assert "--yes" in unasked.err
    assert not Stop.objects.exists()
    ran = command("stop", "triage@v1", "--reason", "harm", "--yes", "--json")
    assert (ran.code, ran.body["digest"]) == (0, version.digest)
    unknown = "ab" * 32
    assert command("stop", f"sha256:{unknown}", "--reason", "found elsewhere", "--yes").code == 0
    assert set(Stop.objects.values_list("digest", flat=True)) == {version.digest, unknown}
    assert command("stop", "triage@none", "--reason", "x", "--yes").code == Exit.REFUSED
    assert command("status").out.count("stopped:") == 2
    with Api(find_access()) as api:
        rows = list(api.every("stops"))
    assert [row["digest"] for row in rows] == [unknown, version.digest]


def test_lists_are_read_to_their_end(command: Command, engineer: User) -> None:
    for _ in range(5):
        make.adapter(owner=engineer)
    with Api(find_access()) as api:
        assert len(list(api.every("adapters", page_rows=2))) == 5


def test_status_of_a_version_and_of_everything(command: Command, version: Version) -> None:
    judge.run_checks(version)
    ran = command("status", "triage@v1", "--json")
    assert (ran.code, ran.body["digest"]) == (0, version.digest)
    assert ran.body["is_gate_open"] is False
    assert ran.body["is_permitted"] is (open_serve_permission(version) is not None)
    assert ran.body["blockers"]
    assert "the gate is closed" in command("status", "triage@v1").out
    assert command("status", "--json").body == {"deployments": [], "stops": []}
    assert command("status", "triage@v1", "--deployment", "x").code == Exit.WRONG_USE
    assert command("status", "--deployment", "none").code == Exit.REFUSED


@pytest.fixture
def house(
    live_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[serving.House]:
    with serving.house(api_url=live_server.url, folder=tmp_path, setenv=monkeypatch.setenv) as made:
        made.add_node()
        monkeypatch.setenv("FORMULARY_URL", live_server.url)
        monkeypatch.setenv("FORMULARY_TOKEN", accounts.token_text(made.operator))
        yield made


def test_deploy_begins_and_waits_for_the_promotion(
    house: serving.House, capsys: pytest.CaptureFixture[str]
) -> None:
    command = Command(capsys)
    chosen = house.version(evaluated_on=[house.evaluation_set(given=judge.items(60))])
    name = house.deployment().public_name
    arguments = ("deploy", chosen.uuid, "--deployment", name, "--strategy", "canary")
    late = command(*arguments, "--wait", "--timeout", "0", "--json")
    assert (late.code, late.body["error"]["code"]) == (Exit.AWAY, "timeout")
    again = command(*arguments, "--json")
    assert (again.code, again.body["error"]["code"]) == (Exit.REFUSED, "rollout-open")
    assert "a rollout is under way" in command("status", "--deployment", name).out
    house.settle(until=lambda: Rollout.objects.get().state == "promoted")
    shown = command("status", "--deployment", name, "--json")
    assert shown.body["stable_runtime_name"] == chosen.runtime_name

    second = house.version(evaluated_on=[house.evaluation_set(given=judge.items(61))])
    ended: list[int] = []
    waiting = threading.Thread(
        target=lambda: ended.append(
            main(["deploy", str(second.uuid), "--deployment", name, "--wait"])
        )
    )
    waiting.start()
    serving.servers.until(lambda: Rollout.objects.count() == 2, seconds=60)
    rollout = Rollout.objects.latest("pk")
    house.settle(3)
    serving.rollouts.abort(
        rollout=rollout, reason="not this one", user=house.operator,
        actor=serving.actor_of(house.operator),
    )  # fmt: skip
    house.settle(until=lambda: serving.state_of(rollout) == "aborted")
    waiting.join(60)
    assert ended == [Exit.REFUSED]
    refused = command("deploy", chosen.uuid, "--deployment", "none", "--json")
    assert refused.code == Exit.REFUSED
