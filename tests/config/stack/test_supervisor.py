"""The supervisor's children come back, leave no orphans, and are given up when they never last."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from config.stack.supervisor import Child, GivesUp, RestartPolicy, Supervisor
from config.stack.valkey import Valkey
from tests.flows.waiting import until

QUICK = RestartPolicy(first_seconds=0.01, cap_seconds=0.02)
WAITS = "import signal; signal.pause()"
# A child with a child of its own, whose number it tells.
FAMILY = (
    "import subprocess, sys, pathlib;"
    f"kid = subprocess.Popen([sys.executable, '-c', {WAITS!r}]);"
    "pathlib.Path(sys.argv[1]).write_text(str(kid.pid)); kid.wait()"
)
SUPERVISE = """
import sys, time
from pathlib import Path
from config.stack.supervisor import Child, Supervisor
home = Path(sys.argv[1])
made = Supervisor(env={}, cwd=home, log_folder=home / "logs", say=print, echo_logs=False)
made.add(Child("a", [sys.executable, "-c", "import signal; signal.signal(15, 1); signal.pause()"]))
while True:
    made.tend()
    time.sleep(0.05)
"""


def lives(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it may end while it is read
        return False


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def supervisor(policy: RestartPolicy = QUICK, said: list[str] | None = None) -> Supervisor:
        made.append(
            Supervisor(
                env={},
                cwd=tmp_path,
                log_folder=tmp_path / "logs",
                say=(said if said is not None else []).append,
                echo_logs=False,
                policy=policy,
            )
        )
        return made[-1]

    yield supervisor
    for each in made:
        each.stop()


def again(supervisor: Supervisor, name: str, former: int) -> int:
    """The process id of a child that was started again."""

    def look() -> int | None:
        supervisor.tend()
        pid = supervisor.pid_of(name)
        return pid if pid != former else None

    return int(until(look, seconds=30))


def test_a_killed_child_comes_back(make: Callable[..., Supervisor], tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = make(said=said)
    supervisor.add(Child("a", [sys.executable, "-c", WAITS]))
    first = supervisor.pid_of("a")
    assert first is not None and supervisor.is_running("a")
    os.kill(first, signal.SIGKILL)
    second = again(supervisor, "a", first)
    assert lives(second) and not lives(first)
    assert (tmp_path / "run" / "a.pid").read_text() == str(second)
    assert said and "a ended with -9" in said[0]


def test_what_a_killed_child_had_started_ends_before_its_successor_starts(
    make: Callable[..., Supervisor], tmp_path: Path
) -> None:
    supervisor, told = make(), tmp_path / "kid"
    supervisor.add(Child("a", [sys.executable, "-c", FAMILY, str(told)]))
    kid = int(until(lambda: told.exists() and told.read_text(), seconds=30))
    first = supervisor.pid_of("a")
    assert first is not None and lives(kid)
    os.kill(first, signal.SIGKILL)
    again(supervisor, "a", first)
    assert not lives(kid)


def test_children_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as supervisor:
        told = tmp_path / "run" / "a.pid"
        child = int(until(lambda: told.exists() and told.read_text(), seconds=20))
        until(lambda: lives(child))
        supervisor.kill()
        supervisor.wait(10)
        until(lambda: not lives(child), seconds=30)


def test_a_child_that_never_lasts_is_given_up_loudly(make: Callable[..., Supervisor]) -> None:
    supervisor = make(RestartPolicy(first_seconds=0.001, cap_seconds=0.002, most=3))
    supervisor.add(Child("a", [sys.executable, "-S", "-c", "raise SystemExit(7)"]))
    with pytest.raises(GivesUp, match=r"a ended with 7, the 4\. time in 300 s; see .*a\.log"):
        until(supervisor.tend, seconds=20)


def test_pauses_grow_up_to_the_cap() -> None:
    policy = RestartPolicy()
    assert [policy.pause_seconds(n) for n in (0, 1, 2, 3)] == [0.5, 1.0, 2.0, 4.0]
    assert policy.pause_seconds(50) == policy.cap_seconds == 30.0


def test_a_killed_broker_comes_back_where_it_was_with_what_it_held(
    make: Callable[..., Supervisor], tmp_path: Path
) -> None:
    supervisor, server = make(), Valkey(tmp_path / "valkey")
    client = redis.Redis.from_url(server.start())
    client.rpush("checks", "a message")
    supervisor.add(Child("valkey", launch=server.restart, process=server.process))
    first = supervisor.pid_of("valkey")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    again(supervisor, "valkey", first)
    assert client.lrange("checks", 0, -1) == [b"a message"]
    supervisor.stop()
    server.stop()
