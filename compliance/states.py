"""The state machines of judgements, as tables."""

from enum import StrEnum

from config.core.states import Transitions


class RunState(StrEnum):
    """A check run or an evaluation run.

    ::

        waiting ─▶ running ─▶ done
           │          │  └──▶ waiting (its worker died: taken up again)
           └──────────┴─────▶ failed
    """

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


RUN_MOVES: Transitions = {
    RunState.WAITING: frozenset({RunState.RUNNING, RunState.FAILED}),
    RunState.RUNNING: frozenset({RunState.DONE, RunState.FAILED, RunState.WAITING}),
}


class ApprovalState(StrEnum):
    """A request that people sign a frozen record.

    ::

        open ─▶ approved ─▶ void
          ├───▶ rejected
          └───▶ void (the record changed, or a newer revision was requested)
    """

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    VOID = "void"


APPROVAL_MOVES: Transitions = {
    ApprovalState.OPEN: frozenset(
        {ApprovalState.APPROVED, ApprovalState.REJECTED, ApprovalState.VOID}
    ),
    ApprovalState.APPROVED: frozenset({ApprovalState.VOID}),
}


class Meaning(StrEnum):
    """What a signature says (21 CFR 11.50(a)(3)); statement texts are versioned."""

    REVIEWED_TECHNICAL = "reviewed_technical"
    REVIEWED_CLINICAL = "reviewed_clinical"
    REVIEWED_PRIVACY = "reviewed_privacy"
    APPROVED = "approved"
    REJECTED = "rejected"


class Purpose(StrEnum):
    """What a permission allows: serving after approval, or one evaluation run."""

    SERVE = "serve"
    EVALUATE = "evaluate"
