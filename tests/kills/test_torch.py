"""Kills around a node that computes: real weights, a small base."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from config.accounts.roles import Role
from config.core import clock
from config.core.actors import SYSTEM
from registry.models import Version
from registry.services import base_models
from serving.models import Replica
from tests.factories import accounts
from tests.factories import compliance as judge
from tests.factories import registry as make
from tests.faults.adapters import adapter_config, lora_tensors, ranks_of, write_adapter
from tests.faults.tiny_base import NAME, write_base
from tests.flows import notes
from tests.flows.job import ENDED
from tests.flows.people import Person, done
from tests.flows.waiting import until
from tests.invariants import check
from tests.kills import points
from tests.kills.callers import Asked, Callers, require_ends
from tests.kills.ledger import require_exact
from tests.kills.points import strike_all
from tests.kills.running import Running, database_url

pytestmark = pytest.mark.xdist_group("kills-torch")
MODEL = "wards"
POLICY = {
    "stages": [50],
    "comparison_margin": 0.2,
    "max_failure_rate": 0.9,
    "report_rule": "watch",
    "least_canary_answers": 2,
    "max_requests": 1_000_000,
    "fallbacks": [],
}


class House:
    """Two approved versions of one adapter, and a Formulary that has just started."""

    def __init__(self, running: Running, base: Path, folder: Path) -> None:
        self.running = running
        self.versions = self._approved(base, folder)
        running.start()
        self.operator = Person(running.url, Role.OPERATOR)
        self.token = accounts.token_text(accounts.user(Role.APPLICATION))
        self.callers = Callers(running.url, MODEL, self.token, notes.pool(4))
        self.said: dict[tuple[str, int], str] = {}
        body = {
            "public_name": MODEL,
            "adapter": self.versions[0].adapter.ref,
            "policy": POLICY,
        }
        done(self.operator.api.post("deployments", json=body))

    def _approved(self, base: Path, folder: Path) -> list[Version]:
        """Checked, evaluated and signed by the services, before any worker is there."""
        row = base_models.register(folder=base, slug=base.name, declared_names=[NAME], actor=SYSTEM)
        engineer, items = accounts.user(Role.ML_ENGINEER), judge.evaluation_set()
        adapter = make.adapter(base=row, owner=engineer, safety_class="A")
        made = []
        for seed, rank in enumerate((4, 8), start=1):
            files = _package(folder / str(seed), rank=rank, seed=seed)
            # A signature is dated 30 s after what came before it; so this one is dated now.
            with clock.frozen_at(clock.now() - timedelta(seconds=90 - 30 * seed)):
                version = make.version(of=adapter, files=files, user=engineer)
                judge.approved(judge.evaluated(version, on=items))
            made.append(version)
        return made

    def roll_out(self, version: Version, *kills: points.KillPoint) -> dict[str, Any]:
        body = {"deployment": MODEL, "version": str(version.uuid)}
        made: list[str] = []

        def start() -> None:
            made.append(done(self.operator.api.post("rollouts", json=body))["uuid"])

        def look() -> dict[str, Any] | None:
            found = done(self.operator.api.get(f"rollouts/{made[0]}"))
            return found if found["state"] in ENDED else None

        strike_all(self.running, kills, start)
        found: dict[str, Any] = until(look, seconds=240)
        return found

    @contextmanager
    def traffic(self) -> Iterator[None]:
        """Greedy answers: a version says the same to the same note, before and after a kill."""

        def is_right(version: str, each: Asked) -> bool:
            return self.said.setdefault((version, each.note.number), each.text) == each.text

        with self.callers.asking():
            yield
        require_ends(self.callers.asked, is_right)

    def heard(self) -> set[str]:
        """The versions that have given a whole answer."""
        return {name for each in list(self.callers.asked) for name in each.versions}

    def agrees(self) -> None:
        at = {"url": self.running.url, "token": self.token, "database_url": database_url()}
        check.await_agreement(**at)
        assert check.disagreements(**at) == []
        require_exact()


def _package(folder: Path, *, rank: int, seed: int) -> dict[str, bytes]:
    write_adapter(
        folder,
        config=adapter_config(r=rank, lora_alpha=2 * rank),
        # Strong enough to be heard in what the model says.
        tensors=lora_tensors(ranks_of("q_proj", "v_proj", rank=rank), seed=seed, spread=0.5),
    )
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture(scope="module")
def house(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> House:
    folder = tmp_path_factory.mktemp("torch")
    base = write_base(folder / NAME)
    return House(start(base=base, engine="torch"), base, folder / "packages")


def test_a_first_load_on_a_node_that_dies_twice(house: House) -> None:
    ended = house.roll_out(house.versions[0], *points.TORCH[:2])
    assert ended["state"] == "promoted"
    replica = Replica.objects.get()
    assert (replica.state, replica.failures_count) == ("ready", 0)
    house.agrees()


def test_a_node_that_dies_under_a_canary(house: House) -> None:
    first, second = house.versions
    with house.traffic():
        until(lambda: house.heard() == {first.runtime_name}, seconds=60)
        ended = house.roll_out(second, *points.TORCH[2:])
        until(lambda: house.heard() == {first.runtime_name, second.runtime_name}, seconds=60)
    assert ended["state"] in {"promoted", "paused"}
    live = second if ended["state"] == "promoted" else first
    seen = done(house.operator.api.get(f"deployments/{MODEL}"))
    assert seen["stable_runtime_name"] == live.runtime_name
    assert {version for version, _ in house.said} == {first.runtime_name, second.runtime_name}
    of = {
        each.runtime_name: {
            text for (name, _), text in house.said.items() if name == each.runtime_name
        }
        for each in (first, second)
    }
    assert of[first.runtime_name] != of[second.runtime_name], "else nothing could be mixed"
    house.agrees()
