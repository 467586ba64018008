"""Routable = wanted ∩ permitted ∩ proven − stopped, over random sequences of what may happen."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import transaction
from hypothesis import HealthCheck, example, given, note, settings
from hypothesis import strategies as st

from compliance.models import Permission
from config.core import clock
from serving.domain.routing import Standing
from tests.factories.serving import House
from tests.invariants.world import NAMES, Hospital, Twin, World

pytestmark = pytest.mark.django_db

ACTS: list[tuple[str, Any]] = [
    *[(act, name) for name in NAMES for act in ("void", "unload", "release", "approve")],
    *[(act, name) for name in NAMES for act in ("stop", "load") for _ in range(2)],
    *[("weigh", percent) for percent in (0, 20, 50, 100)],
    *[("pass", seconds) for seconds in (1, 4, 12, 30, 61)],
    *[(act, None) for act in ("reboot", "tend", "tend", "switch", "gateway", "gateway")],
    *[(act, is_there) for act in ("control", "database") for is_there in (False, True, True)],
]


@pytest.fixture
def hospital(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Hospital]:
    settings.FORMULARY_HOME = tmp_path / "home"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with ExitStack() as stack:
        house = House(
            stack=stack, api_url="http://unused", folder=tmp_path, setenv=monkeypatch.setenv
        )
        house.nodes.append(Twin(house, "invariant"))
        assert house.node.tend()
        yield Hospital(house)


def test_what_is_answered_is_wanted_permitted_proven_and_not_stopped(
    hospital: Hospital,
) -> None:
    @settings(
        max_examples=5,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.lists(st.sampled_from(ACTS), min_size=8, max_size=16))
    @example([("stop", "stable"), ("release", "stable"), ("weigh", 20), ("stop", "canary")])
    @example([("control", False), ("pass", 30), ("gateway", None), ("pass", 61), ("control", True)])
    @example([("reboot", None), ("tend", None), ("load", "stable"), ("switch", None)])
    @example([("database", False), ("stop", "stable"), ("pass", 61), ("database", True)])
    @example([("weigh", 50), ("void", "canary"), ("weigh", 0), ("unload", "stable")])
    @example([("void", "stable"), ("pass", 61), ("approve", "stable"), ("gateway", None)])
    def run(acts: list[tuple[str, Any]]) -> None:
        began_at = clock.now() + timedelta(hours=1)
        (Path(django_settings.FORMULARY_HOME) / "stops.jsonl").unlink(missing_ok=True)
        whole = transaction.atomic()
        # As a test's own: what is durable for a person who signs is undone with the example.
        whole._from_testcase = True  # type: ignore[attr-defined]
        with whole:
            with clock.frozen_at(began_at):
                Permission.objects.update(renewed_at=began_at)
                hospital.house.node.reboot()
                world = World(hospital, began_at=began_at)
                for name in NAMES:
                    world.tend()
                    world.load(name)
            world.pass_(1)
            assert world.given("stable") == Standing.ROUTABLE
            for act, argument in acts:
                note(f"{world.now:.0f} {act} {argument}")
                with world.clock():
                    getattr(world, {"pass": "pass_"}.get(act, act))(argument)
                world.pass_(1)
            transaction.set_rollback(True)

    run()
