"""The walk through the main job: four versions, each at its door."""

import time
from collections.abc import Callable
from typing import Any

from . import judging
from .casting import open_accounts
from .people import DemoFailed, wait_for
from .places import SLUG
from .rollouts import Rollouts
from .submission import Submission
from .telling import Progress, chapter, progress, say
from .traffic import Traffic

CLIENTS = 8
LEAST_REQUESTS = 600


class MainJob:
    """The state of one walk."""

    def __init__(self, url: str) -> None:
        self._started_at = time.monotonic()
        chapter("Four people, one adapter, two locked evaluation sets")
        self.company = open_accounts(url)
        for person in self.company.everybody():
            say(f"{person.printed_name}, invented, signs in as {person.username}")
        self._traffic = Traffic(
            url=url,
            token=self.company.application_token,
            model=SLUG,
            pool=judging.traffic_pool(),
            record_path=judging.RECORDS,
            clients=CLIENTS,
        )
        self._submission = Submission(self.company)
        self._rollouts = Rollouts(self.company, self._traffic)

    def walk(self) -> dict[str, Any]:
        """All chapters; returns the summary.

        Raises:
            DemoFailed: a version ended at another door than its own.
        """
        self._submission.open_adapter()
        # Signing needs a fresh code: by then the one spent on signing in has run out.
        self.company.reviewer.sign_in()
        self.company.clinician.sign_in()
        self._first()
        self._better()
        refused_by = self._untried()
        trigger = self._breaking()
        if self._traffic.count < LEAST_REQUESTS:
            self._more_traffic()
        return self._summary(refused_by, trigger)

    def _first(self) -> None:
        chapter("Version 1 goes live")
        self._bring("v1")
        self._rollouts.open_deployment()
        seen = self._rollouts.roll_out(self._submission.versions["v1"])
        _must(seen["state"] == "promoted", "v1 did not go live")
        say(f"{self._rollouts.live_version()} answers everyone now.")

    def _better(self) -> None:
        chapter("Version 2 is better: canary under traffic, then promotion")
        self._bring("v2")
        seen = self._rollouts.roll_out(self._submission.versions["v2"], phase="canary of v2")
        _must(seen["state"] == "promoted", "v2 was not promoted")
        say(f"{self._rollouts.live_version()} answers everyone now.")

    def _untried(self) -> list[str]:
        chapter("Version 3 names children and was never tried on any")
        self._submission.upload("v3")
        self._submission.evaluate("v3", "adults")
        first = self._submission.gate_refuses("v3")
        _must("CLN-04" in first, f"v3 was refused by {first}, not by CLN-04")
        say("The engineer adds the children's set.")
        self._submission.evaluate("v3", "children")
        second = self._submission.gate_refuses("v3")
        _must(bool({"CLN-01", "CLN-02"} & set(second)), f"v3 was refused by {second}")
        return sorted({*first, *second})

    def _breaking(self) -> str:
        chapter("Version 4 passes every check, and breaks the agreed form on long notes")
        self._bring("v4")
        before = self._rollouts.live_version()
        seen = self._rollouts.roll_out(self._submission.versions["v4"], phase="canary of v4")
        _must(seen["state"] == "rolled_back", f"v4 ended {seen['state']}")
        live = self._rollouts.live_version()
        _must(live == before, "another version than v2 is live after v4")
        say(f"{before} kept answering all the time.")
        return str(seen["trigger"])

    def _bring(self, name: str) -> None:
        self._submission.upload(name)
        self._submission.evaluate(name, "adults", "children")
        self._submission.approve(name)

    def _more_traffic(self) -> None:
        self._traffic.phase = "after"
        with progress("More traffic for the live version", LEAST_REQUESTS) as bar:
            self._traffic.start()
            wait_for(self._until_enough(bar), "enough traffic")
            self._traffic.stop()

    def _until_enough(self, bar: Progress) -> Callable[[], bool]:
        def look() -> bool:
            bar.to(min(self._traffic.count, LEAST_REQUESTS))
            return self._traffic.count >= LEAST_REQUESTS

        return look

    def _summary(self, refused_by: list[str], trigger: str) -> dict[str, Any]:
        chapter("Was any answer failed or mixed up? Does the audit trail hold?")
        outcomes, versions = self._traffic.outcomes, self._submission.versions
        return {
            "promoted": versions["v2"]["runtime_name"],
            "refused_at_gate": versions["v3"]["runtime_name"],
            "refused_by": refused_by,
            "rolled_back": versions["v4"]["runtime_name"],
            "rollback_trigger": trigger,
            "requests": len(outcomes),
            "failed": sum(not outcome.is_ok for outcome in outcomes),
            **judging.answers_verdict(self._rollouts.canaries),
            "replaced_by_stable": self._rollouts.replaced_by_stable(),
            **judging.trail_verdict(),
            "evaluations": self._submission.evaluations,
            "seconds": round(time.monotonic() - self._started_at, 1),
        }


def _must(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise DemoFailed(otherwise)
