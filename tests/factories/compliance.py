"""Approved versions and all that leads there, made by the services; answers come from a twin."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from compliance.models import ApprovalRequest, CheckRun, EvaluationRun, EvaluationSet, Signature
from compliance.selectors import prompts
from compliance.services import approvals, check_runs, evaluation_sets, evaluations, sealing
from config.accounts.models import User
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.accounts.services import second_factors
from config.core import clock
from registry.models import Version
from tests.factories import accounts
from tests.factories import registry as make

TEMPLATE = [
    {"role": "system", "content": "Name the urgency."},
    {"role": "user", "content": "Note: {text}"},
]
CLASSES = ("routine", "soon", "urgent")
_numbers = itertools.count(1)


def items(n: int = 60, *, age_group: str = "adult") -> list[dict[str, Any]]:
    """Items whose right class can be read from their last word."""
    number = next(_numbers)
    return [
        {
            "text": f"note {number}-{index} {CLASSES[index % 3]}",
            "expected": CLASSES[index % 3],
            "groups": {"age_group": age_group},
        }
        for index in range(n)
    ]


def evaluation_set(
    *, name: str = "", given: Sequence[dict[str, Any]] | None = None, user: User | None = None
) -> EvaluationSet:
    user = user or accounts.user(Role.REVIEWER)
    return evaluation_sets.lock(
        name=name or f"set-{next(_numbers)}",
        version_name="1",
        items=given or items(),
        prompt_template=TEMPLATE,
        grader="exact_match",
        max_tokens=6,
        group_fields=["age_group"],
        user=user,
        actor=actor_of(user),
    )


def right(text: str) -> str:
    """The answer of a version that is always right."""
    return text.rsplit(" ", 1)[-1]


def answer(run: EvaluationRun, how: Callable[[str], str] = right) -> EvaluationRun:
    """Run an evaluation as a node would, with answers from ``how``."""
    attempt = evaluations.begin(
        run_id=run.pk, node_name="n1", engine_build="torch-1", device="cpu", dtype="f32"
    )
    assert attempt is not None
    rows = [
        {
            "index": prompt.index,
            "answer": how(prompt.messages[-1]["content"]),
            "finish": "stop",
            "duration_ms": 3,
        }
        for prompt in prompts(run)
    ]
    evaluations.record(run_id=run.pk, attempt=attempt, rows=rows)
    return evaluations.finish(run_id=run.pk, attempt=attempt)


def run_checks(version: Version) -> None:
    """Execute whatever checks wait, as the worker would."""
    for run in CheckRun.objects.filter(version=version, state="waiting").order_by("pk"):
        assert check_runs.execute(run_id=run.pk), run.kind


def evaluated(
    version: Version | None = None,
    *,
    on: EvaluationSet | None = None,
    how: Callable[[str], str] = right,
    by: User | None = None,
) -> Version:
    """A version whose package checks ran and that was evaluated, with the evidence checks."""
    version = version or make.version(of=make.adapter(safety_class="A"))
    run_checks(version)
    user = by or version.submitted_by
    run = evaluations.request(
        version=version, evaluation_set=on or evaluation_set(), user=user, actor=actor_of(user)
    )
    if run.state != "done":
        answer(run, how)
    run_checks(version)
    return version


@dataclass
class Signer:
    """An account that can sign: its codes are those of later and later time steps."""

    user: User
    secret: str
    steps: int = 0

    def code(self) -> str:
        """A code that was not used before (the clock is held at the step that it belongs to)."""
        return second_factors.totp_code(self.secret)

    def sign(self, request: ApprovalRequest, meaning: str, **changed: Any) -> Signature:
        """The signing act with everything right, apart from ``changed``."""
        with self._proof() as proof:
            values: dict[str, Any] = {
                "request": request,
                "meaning": meaning,
                "record_sha256": request.record.sha256,
                "has_read": True,
                **proof,
            }
            return approvals.sign(**{**values, **changed})

    def reject(self, request: ApprovalRequest, reason: str, **changed: Any) -> ApprovalRequest:
        """The rejection with everything right, apart from ``changed``."""
        with self._proof() as proof:
            return approvals.reject(**{"request": request, "reason": reason, **proof, **changed})

    @contextmanager
    def _proof(self) -> Iterator[dict[str, Any]]:
        # Each act is a time step later than the one before: a code counts once.
        self.steps += 1
        with clock.frozen_at(clock.now() + timedelta(seconds=30 * self.steps)):
            yield {
                "user": self.user,
                "actor": actor_of(self.user, session="session:test"),
                "username": self.user.username,
                "password": accounts.PASSWORD,
                "code": self.code(),
            }


def signer(*roles: Role, **values: Any) -> Signer:
    user = accounts.user(*roles, **values)
    return Signer(user, accounts.totp_secret(user))


def requested(version: Version | None = None) -> ApprovalRequest:
    """A frozen record that waits for its first signature."""
    version = version or evaluated()
    user = version.submitted_by
    return approvals.request(version=version, user=user, actor=actor_of(user))


def approved(version: Version | None = None) -> ApprovalRequest:
    """A version with all signatures and its permission (class A)."""
    request = requested(version)
    signer(Role.REVIEWER).sign(request, "reviewed_technical")
    signer(Role.COMPLIANCE_OFFICER).sign(request, "approved")
    request.refresh_from_db()
    return request


def sealed() -> int:
    """Seal what waits."""
    return sealing.seal_pending()
