"""The people of the training bench, and the way of a trained version to its deployment."""

import json
from collections.abc import Iterator
from typing import Any

import httpx

from bench import training_notes
from bench.training_promises import LEAST_GAIN, NAME, must
from config.accounts.roles import Role
from config.accounts.services import people, roles, second_factors, tokens
from config.core.actors import SYSTEM
from demo.people import Person, wait_for

# Avatars' adapters are of class C, which asks for the most signatures. Everybody is invented.
SIGNERS = (
    ("ben", Role.REVIEWER, "reviewed_technical"),
    ("cleo", Role.CLINICAL_REVIEWER, "reviewed_clinical"),
    ("dora", Role.PRIVACY_OFFICER, "reviewed_privacy"),
    ("emil", Role.CLINICAL_REVIEWER, "approved"),
    ("fay", Role.COMPLIANCE_OFFICER, "approved"),
)
MAX_TOKENS = 6
LABEL = {
    "purpose": "Sends invented notes to a desk; a person reads each.",
    "population": [{"attribute": "age_group", "level": "adult"}],
}


class Hospital:
    """Invented people with accounts, and their requests."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engineer = _person(url, "ada", Role.ML_ENGINEER)
        self.operator = _person(url, "gus", Role.OPERATOR)
        self._signers = [(_person(url, name, role), said) for name, role, said in SIGNERS]
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {self.engineer.token}"},
            timeout=120.0,
        )

    def post(self, path: str, **body: Any) -> httpx.Response:
        """One request of the engineer."""
        return self._http.post(path, **body)

    def get(self, path: str) -> dict[str, Any]:
        """What a path answers to the engineer."""
        answer = self._http.get(path)
        must(
            answer.status_code == 200, f"{path} answered {answer.status_code}: {answer.text[:300]}"
        )
        return dict(answer.json())

    def versions(self) -> list[dict[str, Any]]:
        """The versions of the avatar's adapter."""
        runs = self.get("/api/v1/training-runs")["results"]
        return list(self.get(f"/api/v1/adapters/{runs[-1]['adapter']}/versions")["results"])

    def events(self, path: str) -> Iterator[dict[str, Any]]:
        """Server-sent events of a run until its end, connected again where a stream ended."""
        last = ""
        while True:
            headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
            with self._http.stream("GET", path, headers=headers) as stream:
                must(stream.status_code == 200, f"{path} answered {stream.status_code}")
                event: dict[str, Any] = {}
                for line in stream.iter_lines():
                    name, _, value = line.partition(": ")
                    if name in {"event", "id", "data"}:
                        event[name] = json.loads(value) if name == "data" else value
                    if not line and "data" in event:
                        last = event["id"]
                        yield event
                        if event["event"] == "end":
                            return
                        event = {}

    def deploy(self, ref: str) -> dict[str, Any]:
        """Checks, the 40 held-back notes, signatures, a deployment, one answer."""
        version = self.engineer.call("GET", f"/versions/{ref}")
        checks = self._checked(version)
        must(not checks["is_blocked"], f"the checks block it: {json.dumps(checks)[:500]}")
        self.engineer.call("PUT", f"/versions/{version['uuid']}/label", json=LABEL)
        right = self._evaluate(version)
        base_right = _right_by_base()
        count = training_notes.HELD_BACK
        gain = (right - base_right) / count
        must(gain >= LEAST_GAIN, f"{right} of {count} right, the base {base_right}")
        self._sign(version)
        answer = self._roll_out(version)
        return {
            "checks_passed": sum(row["state"] == "pass" for row in checks["results"]),
            "checks": len(checks["results"]),
            "held_back": count,
            "right_trained": right,
            "right_base": base_right,
            "gain_points": round(100 * gain, 1),
            "deployed": version["runtime_name"],
            **answer,
        }

    def _checked(self, version: dict[str, Any]) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            page = self.engineer.call("GET", "/checks", params={"version": version["uuid"]})
            rows = [row for row in page["results"] if row["kind"] == "package"]
            return rows[0] if rows and rows[0]["state"] in {"done", "failed"} else None

        return dict(wait_for(look, "the package checks"))

    def _evaluate(self, version: dict[str, Any]) -> int:
        _, held_back = training_notes.notes()
        lines = [
            json.dumps({"text": asked, "expected": said, "groups": {"age_group": "adult"}})
            for asked, said in held_back
        ]
        chosen = self.engineer.call(
            "POST",
            "/evaluation-sets",
            data={
                "name": NAME,
                "version_name": "1",
                "prompt_template": json.dumps([{"role": "user", "content": "{text}"}]),
                "grader": "exact_match",
                "max_tokens": str(MAX_TOKENS),
                "group_fields": json.dumps(["age_group"]),
            },
            files={"items": ("held-back.jsonl", "\n".join(lines).encode(), "application/jsonl")},
        )
        run = self.engineer.call(
            "POST",
            "/evaluations",
            json={"version": version["uuid"], "evaluation_set": chosen["uuid"]},
        )

        def look() -> dict[str, Any] | None:
            seen = self.engineer.call("GET", f"/evaluations/{run['uuid']}")
            must(seen["state"] != "failed", f"the evaluation failed: {seen['error']}")
            return dict(seen) if seen["state"] == "done" else None

        return int(wait_for(look, "the evaluation", patience_seconds=600.0)["correct_count"])

    def _sign(self, version: dict[str, Any]) -> None:
        for person, _ in self._signers:
            person.sign_in()

        def look() -> dict[str, Any] | None:
            answer = self.engineer.api.post("/approval-requests", json={"version": version["uuid"]})
            if answer.status_code in {200, 201}:
                return dict(answer.json())
            waits = any(row["check_id"] == "evidence" for row in answer.json().get("errors", ()))
            must(waits, f"no approval can be asked for: {answer.text[:800]}")
            return None

        request = wait_for(look, "the evidence checks")
        for person, meaning in self._signers:
            person.sign(request, meaning)

    def _roll_out(self, version: dict[str, Any]) -> dict[str, Any]:
        adapter = self.versions()[0]["adapter"]
        self.operator.call(
            "POST",
            "/deployments",
            json={"public_name": NAME, "title": "Front desk", "adapter": adapter, "policy": {}},
        )
        rollout = self.operator.call(
            "POST",
            "/rollouts",
            json={"deployment": NAME, "version": version["uuid"], "strategy": "canary"},
        )

        def look() -> dict[str, Any] | None:
            seen = self.operator.call("GET", f"/rollouts/{rollout['uuid']}")
            return dict(seen) if seen["state"] not in {"running"} else None

        state = wait_for(look, "the rollout", patience_seconds=600.0)["state"]
        must(state == "promoted", f"the rollout ended {state}")
        asked, said = training_notes.notes()[1][0]
        answer = wait_for(lambda: self._answer(asked), "the gateway to route to it")
        return {
            "asked": asked,
            "wanted": said,
            "answered": answer.json()["choices"][0]["message"]["content"],
            "answered_by": answer.json()["system_fingerprint"].partition("/")[0],
        }

    def _answer(self, asked: str) -> httpx.Response | None:
        """The gateway's answer, None while it has not heard of the promotion yet."""
        answer = httpx.post(
            f"{self.url}/v1/chat/completions",
            headers={"Authorization": f"Bearer {self.operator.token}"},
            json={
                "model": NAME,
                "messages": [{"role": "user", "content": asked}],
                "max_tokens": MAX_TOKENS,
                "temperature": 0,
            },
            timeout=120.0,
        )
        return answer if answer.status_code == 200 else None


def _right_by_base() -> int:
    """How many held-back notes the base alone answers to the letter, greedily."""
    import torch

    from demo import model as models

    torch.set_num_threads(1)
    base, tokenizer = models.load_base()
    right = 0
    for asked, said in training_notes.notes()[1]:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": asked}], add_generation_prompt=True, tokenize=False
        )
        ids = torch.tensor([tokenizer.encode(text, add_special_tokens=False)])
        out = base.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=MAX_TOKENS,
            do_sample=False,
            pad_token_id=tokenizer.eos_token_id,
        )
        answer = tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
        right += answer.strip() == said
    return right


def _person(url: str, name: str, role: Role) -> Person:
    human = people.create_person(
        printed_name=f"{name.title()} Example (demo)",
        employee_id=f"bench-{name}",
        is_demo=True,
        actor=SYSTEM,
    )
    password = f"bench-{name}-{'x' * 12}"
    user = people.create_user(username=name, password=password, person=human, actor=SYSTEM)
    roles.grant(user=user, role=role, granted_by=None, actor=SYSTEM)
    secret = second_factors.enrol_totp(user=user, actor=SYSTEM)
    _, token = tokens.issue(
        user=user, name="bench", scopes=tokens.default_scopes(user), actor=SYSTEM
    )
    return Person(
        printed_name=human.printed_name,
        username=name,
        password=password,
        totp_secret=secret,
        token=token,
        url=url,
    )
