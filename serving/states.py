"""The state machines of intent and observation, as tables."""

from enum import StrEnum

from config.core.states import Transitions


class ReplicaState(StrEnum):
    """A version on a node. Only ``ready`` with the node's current boot id is routable.

    ::

        wanted ─▶ loading ─▶ ready ─▶ unloading ─▶ unloaded ─▶ wanted
          │          │  └──▶ failed ─▶ wanted, unloading
          └──────────┴─────▶ unloading
        (loading, ready, failed fall back to wanted when the node has a new boot id)
    """

    WANTED = "wanted"
    LOADING = "loading"
    READY = "ready"
    UNLOADING = "unloading"
    UNLOADED = "unloaded"
    FAILED = "failed"


REPLICA_MOVES: Transitions = {
    ReplicaState.WANTED: frozenset({ReplicaState.LOADING, ReplicaState.UNLOADING}),
    ReplicaState.LOADING: frozenset(
        {ReplicaState.READY, ReplicaState.FAILED, ReplicaState.UNLOADING, ReplicaState.WANTED}
    ),
    ReplicaState.READY: frozenset(
        {ReplicaState.UNLOADING, ReplicaState.WANTED, ReplicaState.FAILED}
    ),
    ReplicaState.FAILED: frozenset({ReplicaState.WANTED, ReplicaState.UNLOADING}),
    ReplicaState.UNLOADING: frozenset({ReplicaState.UNLOADED, ReplicaState.WANTED}),
    ReplicaState.UNLOADED: frozenset({ReplicaState.WANTED}),
}


class RolloutState(StrEnum):
    """The move of a deployment from one revision to another.

    ::

        running ◀─▶ paused
           │           │
           ├──▶ promoted                         (from here on: a rollout of its own, a rollback)
           ├──▶ rolling_back ─▶ rolled_back      (a trigger: analysis, stop, a failed step)
           └──▶ aborting ─────▶ aborted          (a person, before promotion)
    """

    RUNNING = "running"
    PAUSED = "paused"
    PROMOTED = "promoted"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    ABORTING = "aborting"
    ABORTED = "aborted"


ROLLOUT_MOVES: Transitions = {
    RolloutState.RUNNING: frozenset(
        {
            RolloutState.PAUSED,
            RolloutState.PROMOTED,
            RolloutState.ROLLING_BACK,
            RolloutState.ABORTING,
        }
    ),
    RolloutState.PAUSED: frozenset(
        {RolloutState.RUNNING, RolloutState.ROLLING_BACK, RolloutState.ABORTING}
    ),
    RolloutState.ROLLING_BACK: frozenset({RolloutState.ROLLED_BACK}),
    RolloutState.ABORTING: frozenset({RolloutState.ABORTED}),
}


class PauseKind(StrEnum):
    """Who or what holds a rollout; empty while nothing does."""

    NONE = ""
    PERSON = "person"
    STEP = "step"
    INCONCLUSIVE = "inconclusive"
    TROUBLE = "trouble"


# On the way to a promotion: a paused one keeps its weight, and either can be aborted.
ADVANCING_ROLLOUT_STATES = (RolloutState.RUNNING, RolloutState.PAUSED)
OPEN_ROLLOUT_STATES = (
    *ADVANCING_ROLLOUT_STATES,
    RolloutState.ROLLING_BACK,
    RolloutState.ABORTING,
)
# The key of the strategy that leads back; ``rollbacks.start`` alone opens such rollouts.
ROLLBACK = "rollback"


class StepState(StrEnum):
    """One step of a rollout."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"
    SKIPPED = "skipped"


STEP_MOVES: Transitions = {
    StepState.WAITING: frozenset({StepState.RUNNING, StepState.SKIPPED}),
    # Skipped while it runs: a person promotes what the analysis could not decide.
    StepState.RUNNING: frozenset(
        {StepState.DONE, StepState.FAILED, StepState.UNDONE, StepState.SKIPPED}
    ),
    StepState.DONE: frozenset({StepState.UNDONE}),
    StepState.FAILED: frozenset({StepState.UNDONE}),
}


class StepKind(StrEnum):
    """What a step does; each can be undone."""

    LOAD = "load"
    EVALUATE = "evaluate"
    SET_WEIGHT = "set_weight"
    ANALYSE = "analyse"
    PAUSE = "pause"
    SHADOW = "shadow"
    PROMOTE = "promote"
    UNLOAD = "unload"


class Opening(StrEnum):
    """How a public name came to be: by people of the house, or by a program that loads adapters."""

    DEPLOYMENT = "deployment"
    REGISTRATION = "registration"


class Arm(StrEnum):
    """The side of a rollout that gave an answer."""

    STABLE = "stable"
    CANARY = "canary"


class Trigger(StrEnum):
    """Why a rollout was rolled back."""

    MANUAL = "manual"
    HEALTH_FAILED = "health_failed"
    PERFORMANCE_DEGRADED = "performance_degraded"
    ERROR_RATE_HIGH = "error_rate_high"
    CONTRACT_BROKEN = "contract_broken"
    ANSWERS_REPORTED = "answers_reported"
    VALIDATION_FAILED = "validation_failed"
    SYSTEM_ERROR = "system_error"
    EMERGENCY = "emergency"
    STOPPED = "stopped"


class FailureKind(StrEnum):
    """What was wrong with an answer; empty means nothing."""

    NONE = ""
    CONTRACT_BROKEN = "contract_broken"
    EMPTY = "empty"
    ERROR = "error"
    TIMEOUT = "timeout"
    STOPPED = "stopped"


class Verdict(StrEnum):
    """What an analysis says."""

    SUCCESSFUL = "successful"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    RUNNING = "running"
