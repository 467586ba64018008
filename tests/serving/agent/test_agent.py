"""The agent: idempotent, verifies bytes, refuses what does not answer as recorded; no database."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from serving import agent
from serving.models import ProbeRun, Replica
from serving.selectors.probes import is_same_as_base
from serving.services import replicas
from serving.states import ReplicaState
from tests.factories.serving import House


def wanted(house: House, **script: object) -> Replica:
    version = house.version(script=script)
    house.be_agent_of(house.node)
    return replicas.want(node=house.node.row, version_pk=version.pk, digest=version.digest)


def cache(house: House, replica: Replica) -> Path:
    return house.folder / "nodes" / house.node.name / "cache" / replica.digest


def test_the_same_task_twice_does_its_work_once(house: House) -> None:
    replica = wanted(house)
    assert agent.load_replica(str(replica.uuid)) == "ready"
    assert agent.load_replica(str(replica.uuid)) == "nothing"
    replica.refresh_from_db()
    assert (replica.state, replica.attempts) == (ReplicaState.READY, 1)
    replicas.unload(replica=replica)
    assert agent.unload_replica(str(replica.uuid)) == "unloaded"
    assert agent.unload_replica(str(replica.uuid)) == "unloaded"
    assert house.node.loaded() == set()
    replica.refresh_from_db()
    assert replica.state == ReplicaState.UNLOADED


def test_the_cache_is_read_only_verified_and_mended(house: House) -> None:
    replica = wanted(house)
    assert agent.load_replica(str(replica.uuid)) == "ready"
    folder = cache(house, replica)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert files and all(path.stat().st_mode & 0o222 == 0 for path in files)
    assert not list(folder.parent.glob(".*"))
    original = files[0].read_bytes()
    files[0].chmod(0o644)
    files[0].write_bytes(original[:-1] + b"x")
    replicas.reclaim(replica=replica)
    house.node.reboot()
    house.node.tend()
    house.be_agent_of(house.node)
    assert agent.load_replica(str(replica.uuid)) == "ready"
    assert files[0].read_bytes() == original


def test_without_a_permission_nothing_is_loaded(house: House) -> None:
    version = house.version(is_permitted=False)
    house.be_agent_of(house.node)
    replica = replicas.want(node=house.node.row, version_pk=version.pk, digest=version.digest)
    assert agent.load_replica(str(replica.uuid)) == "nothing"
    assert house.node.loaded() == set()
    assert not cache(house, replica).exists()


def test_other_answers_than_recorded_are_refused(house: House) -> None:
    replica = wanted(house, default="as recorded")
    assert agent.load_replica(str(replica.uuid)) == "ready"
    row = ProbeRun.objects.get(digest=replica.digest)
    tokens = [list(ids) for ids in row.tokens]
    tokens[0][0] += 1
    ProbeRun.objects.filter(pk=row.pk).update(tokens=tokens)
    replicas.reclaim(replica=replica)
    assert agent.load_replica(str(replica.uuid)) == "failed"
    replica.refresh_from_db()
    assert (replica.state, replica.failures_count) == (ReplicaState.FAILED, 1)
    assert "prompt 1, token 1" in replica.error


def test_a_scripted_failure_at_load_is_told(house: House) -> None:
    replica = wanted(house, fail="load")
    assert agent.load_replica(str(replica.uuid)) == "failed"
    replica.refresh_from_db()
    assert replica.state == ReplicaState.FAILED and "scripted to fail at load" in replica.error


def test_a_rank_above_the_nodes_is_refused_before_the_load(house: House) -> None:
    version = house.version(rank=8)
    house.node.reboot(max_rank=4)
    house.be_agent_of(house.node)
    replica = replicas.want(node=house.node.row, version_pk=version.pk, digest=version.digest)
    assert agent.load_replica(str(replica.uuid)) == "failed"
    replica.refresh_from_db()
    assert "Its rank is 8" in replica.error
    assert house.node.loaded() == set()


def test_an_adapter_that_does_not_show_is_recorded_as_such(house: House) -> None:
    replica = wanted(house)
    assert agent.load_replica(str(replica.uuid)) == "ready"
    assert is_same_as_base(replica.digest) is False
    base = ProbeRun.objects.get(digest=house.base.digest)
    ProbeRun.objects.filter(digest=replica.digest).update(tokens=base.tokens, margins=base.margins)
    assert is_same_as_base(replica.digest) is True


def test_a_neighbour_that_changed_is_noticed(house: House) -> None:
    first = wanted(house)
    assert agent.load_replica(str(first.uuid)) == "ready"
    second = wanted(house)
    from serving.agent_work import AgentSettings, Worker

    with Worker(AgentSettings.from_environment()) as worker:
        probe, asked = worker._probe, []

        def remember(order, name, lease):  # type: ignore[no-untyped-def]
            asked.append(name)
            return probe(order, name, lease)

        worker._probe = remember  # type: ignore[method-assign]
        assert worker.load(str(second.uuid)) == "ready"
    name = first.version.runtime_name
    assert asked == [name, second.version.runtime_name, name]


def test_a_token_speaks_for_one_node_and_can_do_nothing_else(house: House) -> None:
    replica = wanted(house)
    other = house.add_node()
    head = {"Authorization": f"Bearer {other.token}"}
    url = f"{house.api_url}/api/v1"
    answer = httpx.get(f"{url}/replicas/{replica.uuid}/work", headers=head)
    assert (answer.status_code, answer.json()["code"]) == (403, "not-your-node")
    own = {"Authorization": f"Bearer {house.node.token}"}
    assert httpx.get(f"{url}/replicas/{replica.uuid}/work", headers=own).status_code == 200
    for path in ("nodes", "deployments", "adapters", "replicas"):
        assert httpx.get(f"{url}/{path}", headers=own).status_code == 403, path


def test_the_agent_answers_when_the_api_is_away(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = wanted(house)
    monkeypatch.setenv("FORMULARY_URL", "http://127.0.0.1:9")
    assert agent.load_replica(str(replica.uuid)) == "failed"
    replica.refresh_from_db()
    assert replica.state == ReplicaState.WANTED


def test_the_agents_code_imports_no_model() -> None:
    code = "import sys, serving.agent; sys.exit('serving.models' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
