"""What a step can come to."""

from dataclasses import dataclass
from enum import StrEnum

from serving.states import PauseKind, Trigger


@dataclass(frozen=True, slots=True)
class Result:
    """``detail`` says in words what was done, is waited for, or went wrong."""

    class Kind(StrEnum):
        """Done, come back later, ask a person, or take it all back."""

        DONE = "done"
        WAIT = "wait"
        PAUSE = "pause"
        ROLL_BACK = "roll_back"

    kind: Kind
    detail: str
    trigger: Trigger | None = None
    pause_kind: PauseKind = PauseKind.NONE


def done(detail: str) -> Result:
    """The step is over."""
    return Result(Result.Kind.DONE, detail)


def wait(detail: str) -> Result:
    """It is not over yet."""
    return Result(Result.Kind.WAIT, detail)


def pause(detail: str, kind: PauseKind = PauseKind.TROUBLE) -> Result:
    """A person has to look; unless ``kind`` says otherwise because something is in the way."""
    return Result(Result.Kind.PAUSE, detail, pause_kind=kind)


def roll_back(trigger: Trigger, detail: str) -> Result:
    """The rollout has failed."""
    return Result(Result.Kind.ROLL_BACK, detail, trigger)
