"""Labels by revision and aliases by compare-and-set, also when two act at one moment."""

import threading
from typing import Any

import pytest
from django.db import connection

from config.core.actors import SYSTEM
from registry import selectors
from registry.errors import AliasMovedMeanwhile, AliasProtected, LabelInvalid
from registry.models import AliasMove, Version
from registry.services import aliases, labels
from tests.factories import registry as make

pytestmark = pytest.mark.django_db


def _move(name: str, to: Version, expected: Version | None, **values: Any) -> None:
    aliases.move(adapter=to.adapter, name=name, to=to, expected=expected, actor=SYSTEM, **values)


@pytest.mark.parametrize(
    "label",
    [
        {"purpose": "", "population": [{"attribute": "a", "level": "b"}]},
        {"purpose": "x", "population": []},
        {"purpose": "x", "population": ["adult"]},
        {"purpose": "x", "population": [{"attribute": "a", "level": ""}]},
        {"purpose": "x", "population": [{"attribute": "a", "level": "b\0"}]},
        {"purpose": "x\0", "population": [{"attribute": "a", "level": "b"}]},
        {"purpose": "x", "population": [{"attribute": "a", "level": "b"}], "setting": 3},
        {"purpose": "x", "population": [{"attribute": "a", "level": "b"}], "touches_phi": "no"},
    ],
)
def test_a_label_that_is_not_complete_is_refused_with_the_place(label: dict[str, Any]) -> None:
    version = make.version(label=None)
    with pytest.raises(LabelInvalid) as refused:
        labels.change(version=version, user=version.submitted_by, actor=SYSTEM, **label)
    assert refused.value.errors[0]["pointer"].startswith("/")
    assert selectors.current_label(version) is None


def test_strata_are_kept_once_and_in_one_order() -> None:
    version = make.version(label=None)
    child = {"attribute": "age_group", "level": "child"}
    adult = {"attribute": "age_group", "level": "adult"}
    first = labels.change(
        version=version,
        user=version.submitted_by,
        actor=SYSTEM,
        purpose=" Sorting ",
        population=[child, adult, child],
    )
    assert first.population == [adult, child]
    assert first.purpose == "Sorting"
    again = labels.change(
        version=version,
        user=version.submitted_by,
        actor=SYSTEM,
        purpose="Sorting",
        population=[adult, child],
    )
    assert again == first


def test_live_moves_by_serving_and_its_history_is_kept() -> None:
    adapter = make.adapter()
    first, second = make.version(of=adapter), make.version(of=adapter)
    with pytest.raises(AliasProtected):
        _move("live", first, None)
    _move("live", first, None, by_serving=True)
    _move("live", first, None, by_serving=True)
    _move("live", second, first, by_serving=True, reason="promoted")
    assert selectors.live_version(adapter) == second
    with pytest.raises(AliasMovedMeanwhile):
        _move("live", first, first, by_serving=True)
    assert [move.reason for move in selectors.alias_moves(adapter, "live")] == ["promoted", ""]


def test_names_that_mean_something_else_are_no_aliases() -> None:
    adapter = make.adapter()
    version = make.version(of=adapter, version_name="blue")
    other = make.version()
    for name in ("blue", "latest", "main", "Upper", "0123456789ab", "a/b"):
        with pytest.raises(AliasProtected):
            _move(name, version, None)
    with pytest.raises(AliasProtected):
        aliases.move(adapter=adapter, name="x", to=other, expected=None, actor=SYSTEM)


def test_a_protected_alias_stays() -> None:
    adapter = make.adapter()
    first, second = make.version(of=adapter), make.version(of=adapter)
    _move("golden", first, None, is_protected=True)
    with pytest.raises(AliasProtected):
        _move("golden", second, first)


@pytest.mark.django_db(transaction=True)
def test_of_two_moves_from_one_place_one_wins_M10() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("locks rows as PostgreSQL does")
    adapter = make.adapter()
    first, *others = (make.version(of=adapter) for _ in range(4))
    _move("candidate", first, None)
    start = threading.Barrier(len(others), timeout=60)
    lost: list[AliasMovedMeanwhile] = []

    def work(to: Version) -> None:
        try:
            start.wait(timeout=30)
            _move("candidate", to, first)
        except AliasMovedMeanwhile as error:
            lost.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(version,)) for version in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(lost) == len(others) - 1
    assert AliasMove.objects.count() == 2
