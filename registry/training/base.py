"""What every trainer is given, what it tells on its way, and what it hands back."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from config.core.errors import DomainError, ErrorKind
from registry.domain.training_parameters import TrainingParameters


class TrainingStopped(Exception):
    """The watcher asked the trainer to stop; what it has written is of no use."""


class TrainingImpossible(DomainError):
    """These data, parameters and base make no adapter; the message holds no training text."""

    code = "training-impossible"
    title = "Nothing can be learned from this"
    kind = ErrorKind.UNPROCESSABLE


@dataclass(frozen=True)
class Message:
    """One turn of a dialogue: ``role`` is system, user or assistant."""

    role: str
    content: str = field(repr=False)


@dataclass(frozen=True)
class Example:
    """What is to be said, and the turns before it; without turns the whole text is learned."""

    answer: str = field(repr=False)
    turns: tuple[Message, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class TrainingJob:
    """One training. ``folder`` is the job's own and keeps its checkpoints and its package.

    A checkpoint is written every ``save_steps`` steps, and whenever ``checkpoint_seconds`` have
    passed since the last, so that a killed worker costs no more than those. ``provenance`` goes
    into the package beside what the trainer knows better.
    """

    base_folder: Path
    base_name: str
    base_digest: str
    parameters: TrainingParameters
    seed: int
    examples: Sequence[Example] = field(repr=False)
    folder: Path
    provenance: Mapping[str, Any] = field(default_factory=dict)
    checkpoint_seconds: float = 30.0


@dataclass(frozen=True)
class Trained:
    """The package's files (path in the package → file) and what was measured."""

    files: Mapping[str, Path]
    metrics: Mapping[str, Any]


class Watch(Protocol):
    """Who is told how far a training is, and may end it. Called in the trainer's own thread."""

    def began(self, *, step: int, steps: int, series: Sequence[tuple[int, float]]) -> None:
        """It goes on from ``step`` of ``steps``; ``series`` is the curve up to there."""

    def stepped(self, *, step: int, point: tuple[int, float] | None) -> None:
        """A step is done; ``point`` is (step, mean loss) where the curve got one."""

    def checkpointed(self, *, step: int) -> None:
        """Everything up to ``step`` is safe on disk."""

    def must_stop(self) -> bool:
        """Whether nobody wants the result any more."""


class Trainer(ABC):
    """Makes an adapter's package from examples.

    The same job makes the same bytes, also when it was killed on the way and begun again on the
    same kind of machine: it goes on from the newest checkpoint in the job's folder.
    """

    name: ClassVar[str]

    @abstractmethod
    def libraries(self) -> dict[str, str]:
        """Name → version of what the result depends on."""

    @abstractmethod
    def train(self, job: TrainingJob, watch: Watch) -> Trained:
        """Train to the end.

        Raises:
            TrainingStopped: the watcher wanted no more.
            TrainingImpossible: nothing is left to learn, or the loss is no number.
        """
