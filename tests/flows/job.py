"""The people of the main job, and each of their steps through the door that they have for it."""

import json
from typing import Any

import httpx
from django.core.management import call_command

from compliance.models import AuditEvent
from config.accounts.roles import Role
from tests.factories import accounts
from tests.flows import notes
from tests.flows.formulary import Formulary
from tests.flows.people import Person, done, refused
from tests.flows.traffic import Traffic
from tests.flows.waiting import until

MODEL = "triage"
ENDED = {"promoted", "rolled_back", "aborted", "paused"}


class Job:
    """Formulary as its users see it: over HTTP."""

    def __init__(self, formulary: Formulary) -> None:
        self.formulary, self.url = formulary, formulary.url
        self.engineer = Person(self.url, Role.ML_ENGINEER)
        self.operator = Person(self.url, Role.OPERATOR)
        self.officer = Person(self.url, Role.COMPLIANCE_OFFICER)
        self.token = accounts.token_text(accounts.user(Role.APPLICATION))
        self.versions: dict[str, dict[str, Any]] = {}
        self.sets: dict[str, dict[str, Any]] = {}
        self.traffic = Traffic(self.url, MODEL, self.token, notes.pool(60))

    def name(self, version: str) -> str:
        return str(self.versions[version]["runtime_name"])

    def open_adapter(self) -> None:
        body = {
            "slug": "triage",
            "name": "Triage",
            "base_model": self.formulary.base.slug,
            "safety_class": "A",
        }
        done(self.engineer.api.post("adapters", json=body))
        for name, age_group, count in (("adults", "adult", 120), ("children", "child", 60)):
            self.sets[name] = done(
                self.engineer.api.post(
                    "evaluation-sets",
                    data={
                        "name": name,
                        "version_name": "1",
                        "prompt_template": json.dumps(notes.TEMPLATE),
                        "grader": "exact_match",
                        "max_tokens": "6",
                        "group_fields": json.dumps(["age_group"]),
                    },
                    files={"items": ("items.jsonl", notes.items(age_group, count))},
                )
            )

    def submit(self, name: str) -> None:
        """Upload, and wait for the checks of the package."""
        label = {"purpose": "Sorts notes for the front desk", "population": notes.ALL_AGES}
        package = notes.package(name, base_name=self.formulary.base.slug)
        self.versions[name] = done(
            self.engineer.api.post(
                "adapters/triage/versions",
                data={"version_name": name, "label": json.dumps(label)},
                files=[("files", item) for item in package.items()],
            )
        )
        run = until(lambda: self._ended_check(name), seconds=30)
        assert not run["is_blocked"], run

    def _ended_check(self, name: str) -> dict[str, Any] | None:
        query = {"version": self.versions[name]["uuid"]}
        runs = done(self.engineer.api.get("checks", params=query))["results"]
        ended = [r for r in runs if r["kind"] == "package" and r["state"] in {"done", "failed"}]
        return ended[0] if ended else None

    def evaluate(self, name: str, *sets: str) -> int:
        """Run the sets through the version on the node; how many answers were right."""
        right = 0
        for each in sets:
            body = {
                "version": self.versions[name]["uuid"],
                "evaluation_set": self.sets[each]["uuid"],
            }
            path = f"evaluations/{done(self.engineer.api.post('evaluations', json=body))['uuid']}"
            until(lambda p=path: self._is_done(p), seconds=60)
            right += done(self.engineer.api.get(path))["correct_count"]
        return right

    def _is_done(self, path: str) -> bool:
        run = done(self.engineer.api.get(path))
        assert run["state"] != "failed", run
        return bool(run["state"] == "done")

    def ask_approval(self, name: str) -> httpx.Response:
        """Ask until the evidence checks have seen the newest rows."""

        def look() -> httpx.Response | None:
            body = {"version": self.versions[name]["uuid"]}
            answer = self.engineer.api.post("approval-requests", json=body)
            errors = answer.json().get("errors", [])
            is_waiting = any(error["check_id"] == "evidence" for error in errors)
            return None if is_waiting else answer

        found: httpx.Response = until(look, seconds=30)
        return found

    def approve(self, name: str) -> None:
        """Two people who were never asked before review and approve."""
        request = done(self.ask_approval(name))
        done(Person(self.url, Role.REVIEWER).sign(request, "reviewed_technical"))
        signed = done(Person(self.url, Role.CLINICAL_REVIEWER).sign(request, "approved"))
        assert signed["state"] == "approved"

    def bring(self, name: str, *sets: str) -> int:
        """Submit, evaluate and approve; how many answers of the sets were right."""
        self.submit(name)
        right = self.evaluate(name, *sets)
        self.approve(name)
        return right

    def roll_out(self, name: str) -> dict[str, Any]:
        """A rollout from its start to its end."""
        body = {"deployment": MODEL, "version": self.versions[name]["uuid"], "strategy": "canary"}
        path = f"rollouts/{done(self.operator.api.post('rollouts', json=body))['uuid']}"
        until(lambda: done(self.operator.api.get(path))["state"] in ENDED, seconds=240)
        return done(self.operator.api.get(path))

    def live(self) -> str:
        return str(done(self.operator.api.get(f"deployments/{MODEL}"))["stable_runtime_name"])

    def gate_errors(self, name: str) -> set[str]:
        problem = refused(self.ask_approval(name), 409, "gate-closed")
        assert all(error["fix"] for error in problem["errors"])
        return {error["check_id"] for error in problem["errors"]}

    def ask(self) -> httpx.Response:
        return httpx.post(
            f"{self.url}/v1/chat/completions",
            json={"model": MODEL, "messages": notes.pool(1)[0].messages},
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
        )

    def trail_holds(self) -> None:
        """The chain verifies over the API and on the command line, with nothing left unsealed."""
        until(lambda: not AuditEvent.objects.filter(sequence=None).exists())
        assert done(self.officer.api.get("audit/verify"))["result"] == "clean"
        call_command("verify_audit")  # exits with 1 at the first bad entry
