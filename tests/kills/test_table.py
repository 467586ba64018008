"""The table of kill points is whole: enough of them, each failpoint, each part, each used once."""

import re
from pathlib import Path

from config.core.failpoints import NAMES
from tests.kills import points

ROOT = Path(__file__).resolve().parents[2]
CALL = re.compile(r"""failpoint(?:, |\()"([a-z_.]+)"\)""")
PARTS = {"web", "worker", "rollouts", "agent", "node", "control", "beat", "valkey"}


def killed(point: points.KillPoint) -> str:
    return point.by if point.who in {points.HOLDER, points.WORKER} else point.who


def test_there_are_enough_and_none_twice() -> None:
    assert len(set(points.MEMORY)) == len(points.MEMORY) >= 20
    assert len(set(points.TORCH)) == len(points.TORCH) >= 3


def test_every_failpoint_and_every_part_is_killed_somewhere() -> None:
    here = {point.failpoint for point in points.MEMORY}
    assert here | points.ELSEWHERE.keys() == set(NAMES)
    for failpoint, file in points.ELSEWHERE.items():
        text = (ROOT / file).read_text()
        assert f'"{failpoint}"' in text and (".kill()" in text or "SIGKILL" in text)
    assert {killed(point) for point in points.MEMORY} == PARTS


def test_every_failpoint_stands_once_in_the_code() -> None:
    found: list[str] = []
    for room in ("registry", "compliance", "serving", "deliveries"):
        for file in (ROOT / room).rglob("*.py"):
            found += CALL.findall(file.read_text())
    assert sorted(found) == sorted(NAMES)
