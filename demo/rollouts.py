"""The rollout: the deployment is opened, versions are tried under traffic."""

import time
from typing import Any

from . import task
from .casting import Company
from .people import wait_for
from .places import SLUG
from .telling import say
from .traffic import Traffic

ROLLOUT_PATIENCE_SECONDS = 420.0
TELL_SECONDS = 20.0
ENDED = frozenset({"promoted", "rolled_back", "aborted", "paused"})


class Rollouts:
    """What the operator does; ``canaries`` maps a phase of the traffic to its two versions."""

    def __init__(self, company: Company, traffic: Traffic) -> None:
        self.operator = company.operator
        self.canaries: dict[str, list[str]] = {}
        self._traffic = traffic

    def open_deployment(self) -> None:
        """Open the name under which versions answer, with the form that it promises."""
        self.operator.call(
            "POST",
            "/deployments",
            json={
                "public_name": SLUG,
                "title": "Triage assistant",
                "adapter": SLUG,
                "output_contract": {
                    "max_tokens": task.MAX_TOKENS,
                    "pattern": task.ANSWER_PATTERN,
                    "stop_reasons": ["stop"],
                },
                "policy": {},
            },
        )

    def roll_out(self, version: dict[str, Any], *, phase: str = "") -> dict[str, Any]:
        """Start a canary and watch it to its end; with a ``phase``, under traffic."""
        stable = self.live_version()
        rollout = self.operator.call(
            "POST",
            "/rollouts",
            json={"deployment": SLUG, "version": version["uuid"], "strategy": "canary"},
        )
        if phase:
            self.canaries[phase] = [stable, version["runtime_name"]]
            self._traffic.phase = phase
            self._traffic.start()
        try:
            return self._watch(rollout["uuid"], version["runtime_name"])
        finally:
            if phase:
                self._traffic.stop()

    def _watch(self, uuid: str, name: str) -> dict[str, Any]:
        told: tuple[str, int] | None = None
        told_at = 0.0

        def look() -> dict[str, Any] | None:
            nonlocal told, told_at
            seen = self.operator.call("GET", f"/rollouts/{uuid}")
            now = (seen["state"], seen["weight_percent"])
            if now != told or time.monotonic() - told_at > TELL_SECONDS:
                say(seen["sentence"])
                told, told_at = now, time.monotonic()
            return seen if seen["state"] in ENDED else None

        patience = ROLLOUT_PATIENCE_SECONDS
        return dict(wait_for(look, f"the rollout of {name}", patience_seconds=patience))

    def live_version(self) -> str:
        """What answers now, as ``slug@hex``; empty when nothing does."""
        deployment = self.operator.call("GET", f"/deployments/{SLUG}")
        return str(deployment.get("stable_runtime_name") or "")

    def replaced_by_stable(self) -> int:
        """How many broken canary answers stable replaced before anyone saw them."""
        return int(self.operator.call("GET", f"/deployments/{SLUG}/counts")["replaced_by_stable"])
