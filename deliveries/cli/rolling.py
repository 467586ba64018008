"""``formulary deploy`` and ``formulary stop``: the two acts that change what answers."""

import re
import sys
import time
from typing import Any

from config.core.pauses import growing

from .api import Api, part
from .endings import Away, Exit, WrongUse
from .screen import Screen

LOOK_SECONDS = 1.0
MOVING = frozenset({"running", "rolling_back", "aborting"})
DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


def deploy(
    api: Api,
    screen: Screen,
    *,
    ref: str,
    deployment: str,
    strategy: str,
    reason: str,
    must_wait: bool,
    timeout_seconds: float,
) -> Exit:
    """Begin a rollout of the version; with ``must_wait`` 0 means that it was promoted."""
    body = {"deployment": deployment, "version": ref, "reason": reason}
    if strategy:
        body["strategy"] = strategy
    rollout = api.act("rollouts", body)
    if must_wait:
        screen.note(f"Rollout {rollout['uuid']} of {rollout['to_runtime_name']} has begun …")
        rollout = _followed(api, screen, rollout, timeout_seconds)
    screen.result(_short(rollout), rollout_lines(rollout))
    return Exit.OK if not must_wait or rollout["state"] == "promoted" else Exit.REFUSED


def stop(api: Api, screen: Screen, *, target: str, reason: str, is_sure: bool) -> Exit:
    """Withdraw a digest, or a version's, everywhere.

    Raises:
        WrongUse: nobody confirmed it.
    """
    digest = DIGEST.fullmatch(target)
    body = {"digest": digest[1]} if digest else {"version": target}
    if not digest:
        version = api.json("GET", f"versions/{part(target)}")
        body, target = {"digest": version["digest"]}, f"{target} ({version['runtime_name']})"
    if not is_sure:
        _confirm(target)
    row = api.act("stops", {**body, "reason": reason})
    screen.result(
        {key: row[key] for key in ("uuid", "digest", "reason", "issued_at")},
        [f"{target} is stopped.", f"  digest {row['digest']}", f"  stop   {row['uuid']}"],
    )
    return Exit.OK


def rollout_lines(rollout: dict[str, Any]) -> list[str]:
    """A rollout in words."""
    lines = [
        f"{rollout['deployment']}: {rollout['from_runtime_name'] or 'nothing yet'} → "
        f"{rollout['to_runtime_name']}",
        f"  rollout {rollout['uuid']}, {rollout['strategy']}, {rollout['state']}, "
        f"{rollout['weight_percent']} % of the requests",
        f"  {rollout['sentence']}",
    ]
    return [line for line in lines if line.strip()]


def _short(rollout: dict[str, Any]) -> dict[str, Any]:
    keys = (
        "uuid", "deployment", "from_runtime_name", "to_runtime_name", "strategy", "state",
        "stage", "weight_percent", "requests_count", "trigger", "reason", "paused_kind",
        "paused_reason", "sentence", "started_at", "finished_at",
    )  # fmt: skip
    return {key: rollout[key] for key in keys if key in rollout}


def _followed(
    api: Api, screen: Screen, rollout: dict[str, Any], timeout_seconds: float
) -> dict[str, Any]:
    """The rollout when it is over, or waits for a person."""
    deadline = time.monotonic() + timeout_seconds
    pauses = growing(longest_seconds=LOOK_SECONDS)
    said = ""
    while rollout["state"] in MOVING:
        if rollout["sentence"] != said:
            said = rollout["sentence"]
            screen.note(f"  {said}")
        if time.monotonic() > deadline:
            raise Away(
                f"Rollout {rollout['uuid']} is not over after {timeout_seconds:.0f} s; it goes on.",
                fix=f"Look at it with: formulary status --deployment {rollout['deployment']}",
                code="timeout",
            )
        time.sleep(next(pauses))
        rollout = api.json("GET", f"rollouts/{rollout['uuid']}")
    return rollout


def _confirm(target: str) -> None:
    if not sys.stdin.isatty():
        raise WrongUse(
            "A stop is confirmed on a terminal.", fix="Add --yes where nobody is there to ask."
        )
    sys.stderr.write(f"Withdraw {target} everywhere, within seconds? It takes two to undo. [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise WrongUse("Nothing was stopped.")
