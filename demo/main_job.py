"""The main job: four versions, each stopped or let through at the right door."""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import django

from config.stack.processes import die_with_parent, half_the_processors

from . import task
from .people import DemoFailed, Person, wait_for
from .telling import chapter, progress, say
from .traffic import Traffic

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "demo" / "data"
ADAPTERS = ROOT / "demo" / "adapters"
OUT = ROOT / "var" / "demo"
SLUG = "triage"
CLIENTS = 8
LEAST_REQUESTS = 600
ROLLOUT_PATIENCE_SECONDS = 420.0
TELL_SECONDS = 20.0


class MainJob:
    """The state of one walk through the main job."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.started_at = time.monotonic()
        self.versions: dict[str, dict[str, Any]] = {}
        self.evaluations: dict[str, dict[str, Any]] = {}
        self.canaries: dict[str, list[str]] = {}
        self.rollouts: dict[str, dict[str, Any]] = {}
        self.labels = json.loads((ADAPTERS / "labels.json").read_text())
        self.pool = [json.loads(x) for x in (DATA / "traffic_pool.jsonl").read_text().splitlines()]
        self.records = OUT / "state" / "outcomes.jsonl"

    def people(self) -> None:
        """Open the accounts of four invented people and of one application."""
        from config.accounts.models import User
        from config.accounts.roles import Role
        from config.accounts.services import people, roles, second_factors, tokens
        from config.core.actors import SYSTEM

        from . import cast

        made: dict[str, Person] = {}
        for member in cast.MEMBERS:
            human = people.create_person(
                printed_name=member.printed_name,
                employee_id=f"demo-{member.username}",
                is_demo=True,
                actor=SYSTEM,
            )
            user: User = people.create_user(
                username=member.username, password=member.password, person=human, actor=SYSTEM
            )
            for role in member.roles:
                roles.grant(user=user, role=Role(role), granted_by=None, actor=SYSTEM)
            secret = second_factors.enrol_totp(user=user, actor=SYSTEM)
            _, token = tokens.issue(
                user=user, name="demo", scopes=list(member.scopes), actor=SYSTEM
            )
            made[member.part] = Person(
                printed_name=member.printed_name,
                username=member.username,
                password=member.password,
                totp_secret=secret,
                token=token,
                url=self.url,
            )
        _, self.application_token = tokens.issue(
            user=User.objects.get(username=made["operator"].username),
            name="triage application",
            scopes=["inference", "feedback:write"],
            actor=SYSTEM,
        )
        self.engineer, self.reviewer = made["engineer"], made["reviewer"]
        self.clinician, self.operator = made["clinician"], made["operator"]

    def open_adapter(self) -> None:
        """The engineer opens the adapter and locks the two evaluation sets."""
        self.engineer.call(
            "POST",
            "/adapters",
            json={
                "slug": SLUG,
                "name": "Triage assistant",
                "description": "Names urgency and department for a short note.",
                "base_model": "smollm2-135m",
                "safety_class": "A",
                "medical_domain": "administration",
                "clinical_use_case": "routing of notes that a person reads",
            },
        )
        template = [
            {"role": part["role"], "content": part["content"].replace("{note}", "{text}")}
            for part in task.PROMPT_TEMPLATE
        ]
        self.sets = {}
        for name in ("adults", "children"):
            items = [json.loads(x) for x in (DATA / f"eval_{name}.jsonl").read_text().splitlines()]
            lines = "\n".join(
                json.dumps(
                    {
                        "text": item["note"],
                        "expected": item["answer"],
                        "groups": item["groups"],
                    }
                )
                for item in items
            )
            self.sets[name] = self.engineer.call(
                "POST",
                "/evaluation-sets",
                data={
                    "name": f"triage-{name}",
                    "version_name": "1",
                    "prompt_template": json.dumps(template),
                    "grader": "exact_match",
                    "max_tokens": str(task.MAX_TOKENS),
                    "group_fields": json.dumps(sorted(items[0]["groups"])),
                },
                files={"items": (f"eval_{name}.jsonl", lines.encode(), "application/jsonl")},
            )
            say(
                f"Locked: {len(items)} notes about {name}, sha256 {self.sets[name]['sha256'][:12]}."
            )

    def upload(self, name: str) -> dict[str, Any]:
        """Upload a package and wait for its checks."""
        folder = ADAPTERS / name / "package"
        files = [
            ("files", (path.name, path.read_bytes(), "application/octet-stream"))
            for path in sorted(folder.iterdir())
        ]
        version = self.engineer.call(
            "POST",
            f"/adapters/{SLUG}/versions",
            data={"version_name": name, "label": json.dumps(self.labels[name])},
            files=files,
        )
        self.versions[name] = version
        say(f"{name} is {version['runtime_name']}, {version['size_bytes'] / 1e6:.1f} MB.")
        run = self._checked(version, "package")
        results = run["results"]
        passed = sum(result["state"] == "pass" for result in results)
        say(f"Checks of the package: {passed} of {len(results)} passed, none blocks.")
        if run["is_blocked"]:
            raise DemoFailed(f"{name}'s package is blocked: {json.dumps(results)[:2000]}")
        return version

    def _checked(self, version: dict[str, Any], kind: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            page = self.engineer.call("GET", "/checks", params={"version": version["uuid"]})
            runs = [run for run in page["results"] if run["kind"] == kind]
            return runs[0] if runs and runs[0]["state"] in {"done", "failed"} else None

        return dict(wait_for(look, f"the {kind} checks of {version['runtime_name']}"))

    def evaluate(self, name: str, *set_names: str) -> None:
        """Run locked sets through the version on the node."""
        runs = [
            self.engineer.call(
                "POST",
                "/evaluations",
                json={
                    "version": self.versions[name]["uuid"],
                    "evaluation_set": self.sets[set_name]["uuid"],
                },
            )
            for set_name in set_names
        ]
        total = sum(self.sets[set_name]["items_count"] for set_name in set_names)
        with progress(f"{name} answers {total} locked notes", total) as bar:

            def look() -> list[dict[str, Any]] | None:
                seen = [self.engineer.call("GET", f"/evaluations/{run['uuid']}") for run in runs]
                bar.to(sum(run["rows_done"] for run in seen))
                failed = [run for run in seen if run["state"] == "failed"]
                if failed:
                    raise DemoFailed(f"{name}'s evaluation failed: {failed[0]['error']}")
                return seen if all(run["state"] == "done" for run in seen) else None

            wait_for(look, f"the evaluation of {name}", patience_seconds=400.0)
        gate = self.engineer.call(
            "GET", "/checks/gate", params={"version": self.versions[name]["uuid"]}
        )
        in_all = [row for row in gate["evaluations"] if not row["attribute"]]
        # With several sets the last row without a group is their union.
        union = in_all[-1]
        self.evaluations[name] = {
            "correct": union["correct"],
            "n": union["n"],
            "wilson_low": union["wilson_low"],
        }
        say(
            f"{name}: {union['correct']} of {union['n']} right, at least "
            f"{union['wilson_low']:.1%} (95 % sure)."
        )

    def gate_refuses(self, name: str) -> list[str]:
        """Ask for approval and be refused; returns the ids of the checks that refused."""
        answer = self.engineer.api.post(
            "/approval-requests", json={"version": self.versions[name]["uuid"]}
        )
        if answer.status_code != 409 or answer.json().get("code") != "gate-closed":
            raise DemoFailed(
                f"The gate let {name} through: {answer.status_code} {answer.text[:500]}"
            )
        errors = answer.json()["errors"]
        for error in errors:
            say(f"Refused by {error['check_id']}: {error['message']}")
        return sorted({error["check_id"] for error in errors})

    def approve(self, name: str) -> None:
        """Freeze the record; two people who did not make the version sign it."""
        version = self.versions[name]
        request = wait_for(
            lambda: self._request(version), f"the evidence checks of {name}", patience_seconds=60.0
        )
        self.reviewer.sign(request, "reviewed_technical")
        say(f"{self.reviewer.printed_name} has reviewed and signed.")
        signed = self.clinician.sign(request, "approved")
        say(signed["signatures"][-1]["manifestation"])

    def _request(self, version: dict[str, Any]) -> dict[str, Any] | None:
        answer = self.engineer.api.post("/approval-requests", json={"version": version["uuid"]})
        if answer.status_code == 409 and _is_only_waiting(answer.json()):
            return None
        if answer.status_code not in {200, 201}:
            raise DemoFailed(f"No approval could be asked for: {answer.text[:1500]}")
        return dict(answer.json())

    def deploy_first(self, name: str) -> None:
        """The operator opens the deployment and brings the first revision to everyone."""
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
        self.roll_out(name, phase="first", with_traffic=False)

    def roll_out(self, name: str, *, phase: str, with_traffic: bool = True) -> dict[str, Any]:
        """Start a canary and watch it to its end, under traffic."""
        stable = self.live_version()
        rollout = self.operator.call(
            "POST",
            "/rollouts",
            json={
                "deployment": SLUG,
                "version": self.versions[name]["uuid"],
                "strategy": "canary",
            },
        )
        if with_traffic:
            self.canaries[phase] = [stable, self.versions[name]["runtime_name"]]
            self.traffic.phase = phase
            self.traffic.start()
        told: tuple[str, int] | None = None
        told_at = 0.0

        def look() -> dict[str, Any] | None:
            nonlocal told, told_at
            seen = self.operator.call("GET", f"/rollouts/{rollout['uuid']}")
            now = (seen["state"], seen["weight_percent"])
            if now != told or time.monotonic() - told_at > TELL_SECONDS:
                say(seen["sentence"])
                told, told_at = now, time.monotonic()
            ended = {"promoted", "rolled_back", "aborted", "paused"}
            return seen if seen["state"] in ended else None

        try:
            seen = wait_for(
                look, f"the rollout of {name}", patience_seconds=ROLLOUT_PATIENCE_SECONDS
            )
        finally:
            if with_traffic:
                self.traffic.stop()
        self.rollouts[name] = seen
        return dict(seen)

    def live_version(self) -> str:
        """What answers now, as ``slug@hex``; empty when nothing does."""
        deployment = self.operator.call("GET", f"/deployments/{SLUG}")
        return str(deployment.get("stable_runtime_name") or "")

    def walk(self) -> dict[str, Any]:
        """All chapters; returns the summary."""
        chapter("Four people, one adapter, two locked evaluation sets")
        self.people()
        for person in (self.engineer, self.reviewer, self.clinician, self.operator):
            say(f"{person.printed_name}, invented, signs in as {person.username}")
        self.open_adapter()
        # Signing needs a fresh code: by then the one spent on signing in has run out.
        self.reviewer.sign_in()
        self.clinician.sign_in()
        self.traffic = Traffic(
            url=self.url,
            token=self.application_token,
            model=SLUG,
            pool=self.pool,
            record_path=self.records,
            clients=CLIENTS,
        )

        chapter("Version 1 goes live")
        self.upload("v1")
        self.evaluate("v1", "adults", "children")
        self.approve("v1")
        self.deploy_first("v1")
        self._must(self.rollouts["v1"]["state"] == "promoted", "v1 did not go live")
        say(f"{self.live_version()} answers everyone now.")

        chapter("Version 2 is better: canary under traffic, then promotion")
        self.upload("v2")
        self.evaluate("v2", "adults", "children")
        self.approve("v2")
        self.roll_out("v2", phase="canary of v2")
        self._must(self.rollouts["v2"]["state"] == "promoted", "v2 was not promoted")
        say(f"{self.live_version()} answers everyone now.")

        chapter("Version 3 names children and was never tried on any")
        self.upload("v3")
        self.evaluate("v3", "adults")
        first = self.gate_refuses("v3")
        self._must("CLN-04" in first, f"v3 was refused by {first}, not by CLN-04")
        say("The engineer adds the children's set.")
        self.evaluate("v3", "children")
        second = self.gate_refuses("v3")
        self._must(bool({"CLN-01", "CLN-02"} & set(second)), f"v3 was refused by {second}")
        self.refused_by = sorted({*first, *second})

        chapter("Version 4 passes every check, and breaks the agreed form on long notes")
        self.upload("v4")
        self.evaluate("v4", "adults", "children")
        self.approve("v4")
        before = self.live_version()
        seen = self.roll_out("v4", phase="canary of v4")
        self._must(seen["state"] == "rolled_back", f"v4 ended {seen['state']}")
        self._must(self.live_version() == before, "another version than v2 is live after v4")
        say(f"{before} kept answering all the time.")

        if self.traffic.count < LEAST_REQUESTS:
            self.traffic.phase = "after"
            with progress("More traffic for the live version", LEAST_REQUESTS) as bar:
                self.traffic.start()
                wait_for(self._until_enough(bar), "enough traffic")
                self.traffic.stop()
        return self.summary()

    def _until_enough(self, bar: Any) -> Any:
        def look() -> bool:
            bar.to(min(self.traffic.count, LEAST_REQUESTS))
            return self.traffic.count >= LEAST_REQUESTS

        return look

    def _must(self, is_so: bool, otherwise: str) -> None:
        if not is_so:
            raise DemoFailed(otherwise)

    def summary(self) -> dict[str, Any]:
        """Judge the answers in another process, verify the trail, write the numbers down."""
        chapter("Was any answer failed or mixed up? Does the audit trail hold?")
        verdict_path = OUT / "state" / "verdict.json"
        subprocess.run(
            [
                sys.executable, "-m", "demo.verify", "--records", self.records,
                "--pool", DATA / "traffic_pool.jsonl",
                "--base", ROOT / "var" / "models" / "smollm2-135m",
                "--packages", ADAPTERS, "--canaries", json.dumps(self.canaries),
                "--threads", str(half_the_processors()), "--out", verdict_path,
            ],
            check=True, cwd=ROOT, preexec_fn=die_with_parent(),
        )  # fmt: skip
        verdict = json.loads(verdict_path.read_text())
        audit = subprocess.run(
            [sys.executable, "manage.py", "verify_audit", "--json"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        report = json.loads(audit.stdout) if audit.stdout.strip().startswith("{") else {}
        replaced = self.operator.call("GET", f"/deployments/{SLUG}/counts")["replaced_by_stable"]
        outcomes = self.traffic.outcomes
        v4 = self.rollouts["v4"]
        return {
            "promoted": self.versions["v2"]["runtime_name"],
            "refused_at_gate": self.versions["v3"]["runtime_name"],
            "refused_by": self.refused_by,
            "rolled_back": self.versions["v4"]["runtime_name"],
            "rollback_trigger": v4["trigger"],
            "requests": len(outcomes),
            "failed": sum(not outcome.is_ok for outcome in outcomes),
            "mixed": verdict["mixed"],
            "distinguishable": verdict["distinguishable"],
            "replaced_by_stable": replaced,
            "audit_events": report.get("entries", 0),
            "audit_verified": audit.returncode == 0,
            "evaluations": self.evaluations,
            "seconds": round(time.monotonic() - self.started_at, 1),
        }


def _is_only_waiting(problem: dict[str, Any]) -> bool:
    """Whether the gate only says that the evidence checks haven't run over the newest rows."""
    return any(error["check_id"] == "evidence" for error in problem.get("errors", ()))


def main() -> int:
    """Walk the job, write the summary, say where to look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exit", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    job = MainJob(os.environ["FORMULARY_URL"])
    try:
        summary = job.walk()
    except DemoFailed as error:
        print(f"\nThe demo stopped: {error}", file=sys.stderr)
        return 1
    path = OUT / "summary.json"
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(summary, indent=2) + "\n")
    beside.rename(path)
    chapter("What happened")
    print(json.dumps(summary, indent=2))
    is_good = not summary["failed"] and not summary["mixed"] and summary["audit_verified"]
    if not options.exit:
        chapter("Have a look")
        say(f"Console: {job.url}/console/")
        for person in (job.engineer, job.reviewer, job.clinician, job.operator):
            say(
                f"{person.username:<10} password {person.password}   "
                f"authenticator secret {person.totp_secret}"
            )
        say("Ctrl-C ends everything.")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
