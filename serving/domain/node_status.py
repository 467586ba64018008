"""What a node says of itself, checked and typed, and whether it is the one that was registered."""

from collections.abc import Mapping
from typing import Any

from config.core.errors import Unavailable


class StatusInvalid(Unavailable):
    """A node's status is not of the form that nodes answer in."""

    code = "node-status-invalid"
    title = "The node's status can't be read"


_TYPES: Mapping[str, type] = {
    "boot_id": str,
    "engine": str,
    "engine_build": str,
    "device": str,
    "dtype": str,
    "base": dict,
    "slots": int,
    "max_rank": int,
    "loaded": list,
    "stops_epoch": int,
}


def read_status(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The status; of its leases, which change each second, only the digests that it may serve.

    Raises:
        StatusInvalid: naming the key.
    """
    for key, kind in _TYPES.items():
        value = raw.get(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise StatusInvalid(f"The node's status has no {key}.", fix="Update the node.")
    if not raw["boot_id"] or len(raw["boot_id"]) > 40:
        raise StatusInvalid("The node's boot id is no short text.", fix="Update the node.")
    if not all(
        isinstance(entry, dict)
        and isinstance(entry.get("name"), str)
        and isinstance(entry.get("digest"), str)
        for entry in raw["loaded"]
    ):
        raise StatusInvalid("The node's list of loaded versions is malformed.", fix="Update it.")
    found = {key: value for key, value in raw.items() if key != "leases"}
    leases = [entry for entry in raw.get("leases") or [] if isinstance(entry, dict)]
    found["may_serve"] = sorted(
        {str(entry.get("digest")) for entry in leases if entry.get("purpose") == "serve"}
    )
    return found


def misfit(status: Mapping[str, Any], *, base_digest: str, engine: str) -> str:
    """Why this process is not the node that was registered; empty when it is."""
    found = str(status["base"].get("digest", ""))
    if found != base_digest:
        return (
            f"It has the base {found[:12] or 'unknown'}, {base_digest[:12]} is registered: "
            "start it with the registered base model."
        )
    if status["engine"] != engine:
        return f"It runs the engine {status['engine']!r}, {engine!r} is registered."
    if status["slots"] < 2:
        return (
            f"It has {status['slots']} slot; two are the least, because one stays free for "
            "rollouts: start it with more slots."
        )
    return ""
