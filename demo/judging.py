"""Judges what happened in processes of their own: every answer, and the audit trail."""

import json
import subprocess
import sys
from typing import Any

from config.stack.processes import die_with_parent, half_the_processors

from .places import ADAPTERS, DATA, HOME, MODELS, ROOT

RECORDS = HOME / "outcomes.jsonl"
_POOL = DATA / "traffic_pool.jsonl"


def traffic_pool() -> list[dict[str, Any]]:
    """The notes that the traffic asks about."""
    return [json.loads(line) for line in _POOL.read_text().splitlines()]


def answers_verdict(canaries: dict[str, list[str]]) -> dict[str, Any]:
    """Whether each answer is its version's own, as PEFT gives it alone."""
    path = HOME / "verdict.json"
    subprocess.run(
        [
            sys.executable, "-m", "demo.verify", "--records", RECORDS, "--pool", _POOL,
            "--base", MODELS / "smollm2-135m", "--packages", ADAPTERS,
            "--canaries", json.dumps(canaries),
            "--threads", str(half_the_processors()), "--out", path,
        ],
        check=True, cwd=ROOT, preexec_fn=die_with_parent(),
    )  # fmt: skip
    verdict = json.loads(path.read_text())
    return {"mixed": verdict["mixed"], "distinguishable": verdict["distinguishable"]}


def trail_verdict() -> dict[str, Any]:
    """What ``verify_audit`` says, as an auditor would run it."""
    audit = subprocess.run(
        [sys.executable, "manage.py", "verify_audit", "--json"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    report = json.loads(audit.stdout) if audit.stdout.strip().startswith("{") else {}
    return {
        "audit_events": report.get("entries", 0),
        "audit_verified": audit.returncode == 0,
    }
