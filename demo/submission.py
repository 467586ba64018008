"""Before the rollout: the adapter, its evaluation sets, and each version up to its signatures."""

import json
from typing import Any

from . import task
from .casting import Company
from .people import DemoFailed, wait_for
from .places import ADAPTERS, DATA, SLUG
from .telling import progress, say


class Submission:
    """What the engineer hands in and two others sign."""

    def __init__(self, company: Company) -> None:
        self.engineer, self.reviewer = company.engineer, company.reviewer
        self.clinician = company.clinician
        self.versions: dict[str, dict[str, Any]] = {}
        self.evaluations: dict[str, dict[str, Any]] = {}
        self._sets: dict[str, dict[str, Any]] = {}
        self._labels = json.loads((ADAPTERS / "labels.json").read_text())

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
            self._sets[name] = self.engineer.call(
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
            digest = self._sets[name]["sha256"]
            say(f"Locked: {len(items)} notes about {name}, sha256 {digest[:12]}.")

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
            data={"version_name": name, "label": json.dumps(self._labels[name])},
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
                    "evaluation_set": self._sets[set_name]["uuid"],
                },
            )
            for set_name in set_names
        ]
        total = sum(self._sets[set_name]["items_count"] for set_name in set_names)
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
        version = self.versions[name]
        errors = wait_for(
            lambda: self._refusal(version), f"the evidence checks of {name}", patience_seconds=60.0
        )
        for error in errors:
            say(f"Refused by {error['check_id']}: {error['message']}")
        return sorted({error["check_id"] for error in errors})

    def _refusal(self, version: dict[str, Any]) -> list[dict[str, Any]] | None:
        answer = self.engineer.api.post("/approval-requests", json={"version": version["uuid"]})
        if answer.status_code != 409 or answer.json().get("code") != "gate-closed":
            raise DemoFailed(
                f"The gate let {version['runtime_name']} through: {answer.status_code} "
                f"{answer.text[:500]}"
            )
        return None if _is_only_waiting(answer.json()) else list(answer.json()["errors"])

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


def _is_only_waiting(problem: dict[str, Any]) -> bool:
    """Whether the gate only says that the evidence checks haven't run over the newest rows."""
    return any(error["check_id"] == "evidence" for error in problem.get("errors", ()))
