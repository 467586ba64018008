"""``formulary status``: what answers under which name, and where a version stands."""

from typing import Any

from .api import Api, part
from .endings import Exit
from .rolling import rollout_lines
from .screen import Screen


def show_overview(api: Api, screen: Screen) -> Exit:
    """Every deployment with what answers, and the stops in force."""
    deployments = list(api.every("deployments"))
    stops = [row for row in api.every("stops") if row["released_at"] is None]
    lines = [_line(row) for row in deployments] or ["There are no deployments."]
    lines += [f"stopped: {row['digest'][:12]}  {row['reason']}" for row in stops]
    body = {
        "deployments": [_deployment(row) for row in deployments],
        "stops": [{key: row[key] for key in ("uuid", "digest", "reason")} for row in stops],
    }
    screen.result(body, lines)
    return Exit.OK


def show_deployment(api: Api, screen: Screen, *, name: str) -> Exit:
    """One deployment, and its rollout if one is under way."""
    row = api.json("GET", f"deployments/{part(name)}")
    body, lines = _deployment(row), [_line(row)]
    if row["open_rollout"]:
        rollout = api.json("GET", f"rollouts/{row['open_rollout']}")
        body["rollout"] = {
            key: rollout[key] for key in ("uuid", "state", "weight_percent", "sentence")
        }
        lines += rollout_lines(rollout)
    screen.result(body, lines)
    return Exit.OK


def show_version(api: Api, screen: Screen, *, ref: str) -> Exit:
    """A version: its digest, its gate, and whether it may be served."""
    version = api.json("GET", f"versions/{part(ref)}")
    gate = api.json("GET", "checks/gate", params={"version": version["uuid"]})
    blockers = [
        {key: row[key] for key in ("check_id", "state", "message", "fix")}
        for row in gate["blockers"]
    ]
    body = {
        "version": version["runtime_name"],
        "uuid": version["uuid"],
        "digest": version["digest"],
        "submitted_by": version["submitted_by"],
        "submitted_at": version["submitted_at"],
        "is_gate_open": gate["is_open"],
        "is_permitted": gate["is_permitted"],
        "blockers": blockers,
    }
    lines = [
        f"{version['adapter']}@{version['version_name']}  {version['digest']}",
        f"  submitted by {version['submitted_by']} at {version['submitted_at']}",
        f"  {'may be served' if gate['is_permitted'] else 'may not be served'}; the gate is "
        f"{'open' if gate['is_open'] else 'closed'}",
        *(f"  {row['check_id']}  {row['message']}" for row in blockers),
    ]
    screen.result(body, lines)
    return Exit.OK


def _deployment(row: dict[str, Any]) -> dict[str, Any]:
    keys = ("public_name", "adapter", "stable_runtime_name", "stable_since", "open_rollout")
    return {key: row[key] for key in keys}


def _line(row: dict[str, Any]) -> str:
    under_way = "  (a rollout is under way)" if row["open_rollout"] else ""
    return f"{row['public_name']}: {row['stable_runtime_name'] or 'nothing answers'}{under_way}"
