"""A failpoint does nothing unless it is armed; armed it tells who came, and holds him there."""

import os
import threading
from pathlib import Path

import pytest

from config.core.failpoints import NAMES, failpoint
from tests.flows.waiting import until


def test_nothing_happens_without_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORMULARY_FAILPOINTS", raising=False)
    failpoint("stop.listed")


def test_nothing_happens_where_another_one_is_armed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FORMULARY_FAILPOINTS", str(tmp_path))
    (tmp_path / "stop.recorded").touch()
    failpoint("stop.listed")
    assert [path.name for path in tmp_path.iterdir()] == ["stop.recorded"]


def test_an_armed_one_holds_its_thread_until_it_is_disarmed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FORMULARY_FAILPOINTS", str(tmp_path))
    armed = tmp_path / "stop.listed"
    armed.touch()
    held = threading.Thread(target=failpoint, args=("stop.listed",), daemon=True)
    held.start()
    reached = until((tmp_path / f"stop.listed.{os.getpid()}.reached").exists)
    assert reached and held.is_alive()
    armed.unlink()
    held.join(30)
    assert not held.is_alive()


def test_names_are_told_apart_by_files() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert not any(Path(name).name != name for name in NAMES)
