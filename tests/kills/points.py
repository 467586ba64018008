"""The table of kill points: who is killed, while whom is held where."""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.flows.waiting import until
from tests.kills.running import Running, is_gone, parent_of

HOLDER = "holder"
WORKER = "worker of the holder"


@dataclass(frozen=True)
class KillPoint:
    """``who``: the process that is held, the worker whose pool it is of, or another part's name.

    ``by``: the part of Formulary that comes to the failpoint; what a test of the table counts.
    """

    failpoint: str
    by: str
    who: str = HOLDER

    def __str__(self) -> str:
        return f"{self.failpoint}: {self.by if self.who in {HOLDER, WORKER} else self.who}"


UPLOAD = (
    KillPoint("upload.blobs_stored", "web"),
    KillPoint("upload.version_recorded", "web"),
    KillPoint("upload.committed", "web"),
)
CHECKS = (
    KillPoint("checks.begun", "worker"),
    KillPoint("checks.before_results", "worker", WORKER),
)
FIRST_LOAD = (
    KillPoint("agent.load.claimed", "agent"),
    KillPoint("agent.load.on_node", "agent", WORKER),
)
EVALUATION = (
    KillPoint("evaluation.begun", "worker"),
    KillPoint("evaluation.rows_recorded", "worker", WORKER),
    KillPoint("evaluation.before_finish", "worker"),
)
SECOND_LOAD = (
    KillPoint("agent.load.downloaded", "agent", WORKER),
    KillPoint("node.load.verified", "node"),
)
SIGNING = (
    KillPoint("signing.before_commit", "web"),
    KillPoint("signing.committed", "web"),
)
FIRST_ROLLOUT = (
    KillPoint("rollout.step.started", "rollouts"),
    KillPoint("rollout.step.before_result", "rollouts", WORKER),
    KillPoint("rollout.promote.alias_moved", "rollouts"),
)
CANARY = (
    KillPoint("rollout.step.recorded", "rollouts"),
    KillPoint("rollout.weight.set", "rollouts", WORKER),
    KillPoint("rollout.step.committed", "rollouts", "valkey"),
    KillPoint("rollout.step.before_result", "rollouts", "beat"),
    KillPoint("rollout.step.committed", "rollouts"),
)
FIRST_RELOAD = (
    KillPoint("node.load.loaded", "node"),
    KillPoint("agent.load.proven", "agent"),
)
SECOND_RELOAD = (
    KillPoint("replica.ready.recorded", "web"),
    KillPoint("replica.ready.committed", "web"),
)
STOP = (
    KillPoint("stop.listed", "web"),
    KillPoint("stop.recorded", "web"),
)
ROLLBACK = (
    KillPoint("rollout.rollback.begun", "rollouts"),
    KillPoint("rollout.step.undone", "rollouts", WORKER),
)
UNLOAD = (KillPoint("agent.unload.on_node", "agent", WORKER),)
SEALING = (
    KillPoint("sealing.read", "control"),
    KillPoint("sealing.sealed", "control"),
)
CHECKPOINTS = (
    KillPoint("checkpoint.stored", "control"),
    KillPoint("checkpoint.written", "control"),
)
MEMORY: Sequence[KillPoint] = (
    *UPLOAD, *CHECKS, *FIRST_LOAD, *EVALUATION, *SECOND_LOAD, *SIGNING, *FIRST_ROLLOUT, *CANARY,
    *FIRST_RELOAD, *SECOND_RELOAD, *STOP, *ROLLBACK, *UNLOAD, *SEALING, *CHECKPOINTS,
)  # fmt: skip
TORCH: Sequence[KillPoint] = (
    KillPoint("node.load.verified", "node"),
    KillPoint("node.load.loaded", "node"),
    KillPoint("rollout.weight.set", "rollouts", "node"),
)
# Failpoints whose kill tests stand beside the tests of what they cut.
ELSEWHERE: Mapping[str, str] = {
    "delivery.begun": "tests/deliveries/delivery/test_kills.py",
    "delivery.before_result": "tests/deliveries/delivery/test_kills.py",
    "garbage.row_deleted": "tests/registry/storage/test_garbage_kills.py",
    "garbage.bytes_deleted": "tests/registry/storage/test_garbage_kills.py",
    "upload.chunk_synced": "tests/registry/uploads/test_cuts.py",
    "upload.whole_linked": "tests/registry/uploads/test_cuts.py",
}


def strike(running: Running, point: KillPoint, *, then: KillPoint | None = None) -> None:
    """Wait until ``point`` is reached and kill; ``then`` is armed before anything goes on."""
    holder = running.held_at(point.failpoint)
    if then is not None and then.failpoint != point.failpoint:
        running.arm(then.failpoint)
    if point.who == HOLDER:
        pid = holder
    elif point.who == WORKER:
        pid = parent_of(holder)
    else:
        pid = running.pid_of(point.who)
    os.kill(pid, signal.SIGKILL)
    until(lambda: is_gone(pid))
    if point.who == WORKER:
        until(lambda: is_gone(holder))  # it must not go on without its worker
    running.disarm(point.failpoint)


def strike_all(running: Running, points: Sequence[KillPoint], act: Callable[[], object]) -> None:
    """Do ``act`` with the first point armed, and kill at one point after the other."""
    running.arm(points[0].failpoint)
    act()
    for point, then in zip(points, [*points[1:], None], strict=True):
        strike(running, point, then=then)
