"""The LoRA trainer alone: what it learns from, where it goes on, what it refuses. No database."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from config.core.digests import sha256_file
from registry.domain.base_folder import base_facts
from registry.domain.packages import WEIGHTS_FILE
from registry.domain.training_parameters import TrainingParameters
from registry.training import TRAINERS, checkpoints
from registry.training.base import (
    Example,
    Message,
    TrainingImpossible,
    TrainingJob,
    TrainingStopped,
)
from registry.training.dataset import encode, epoch_batches
from tests.factories import training as make
from tests.faults.tiny_base import TEMPLATE

pytestmark = pytest.mark.xdist_group("training")
TRAINER = TRAINERS["lora"]


class Told:
    """Remembers what a trainer tells; wants no more after ``most`` steps."""

    def __init__(self, most: int = 10**6) -> None:
        self.first_step, self.points, self.saved, self.step = -1, [], [], 0
        self._most = most

    def began(self, *, step: int, steps: int, series: Sequence[tuple[int, float]]) -> None:
        self.first_step = self.step = step
        self.points = list(series)

    def stepped(self, *, step: int, point: tuple[int, float] | None) -> None:
        self.step = step
        self.points += [point] if point else []

    def checkpointed(self, *, step: int) -> None:
        self.saved.append(step)

    def must_stop(self) -> bool:
        return self.step >= self._most


def _job(folder: Path, **parameters: object) -> TrainingJob:
    base = make.base_folder()
    return TrainingJob(
        base_folder=base,
        base_name=make.BASE,
        base_digest=base_facts(base).digest,
        parameters=TrainingParameters.parse({**make.QUICK, **parameters}),
        seed=7,
        examples=[
            Example(f"urgent {number % 2}", (Message("user", f"Invented note {number}"),))
            for number in range(12)
        ],
        folder=folder,
    )


def _digests(files: dict[str, Path]) -> dict[str, str]:
    return {name: sha256_file(path) for name, path in files.items()}


def test_it_goes_on_from_its_checkpoint_to_the_same_bytes(tmp_path: Path) -> None:
    whole = TRAINER.train(_job(tmp_path / "a"), told := Told())
    assert (told.first_step, told.saved) == (0, [2, 4, 6, 8, 10, 12])
    with pytest.raises(TrainingStopped):
        TRAINER.train(_job(tmp_path / "b"), cut := Told(most=7))
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["checkpoint-6"]
    assert cut.points == told.points[:7]
    resumed = TRAINER.train(_job(tmp_path / "b"), again := Told())
    assert again.first_step == 6
    assert again.points == told.points
    assert _digests(dict(resumed.files)) == _digests(dict(whole.files))
    other = TRAINER.train(replace(_job(tmp_path / "c"), seed=8), Told())
    assert _digests(dict(other.files)) != _digests(dict(whole.files))


@pytest.mark.parametrize(("said", "rate"), [(None, 2e-4), (5e-3, 5e-3)])
def test_the_weights_move_at_the_learning_rate_A32(
    tmp_path: Path, said: float | None, rate: float
) -> None:
    """AdamW's first step moves each weight by the rate, whatever its gradient; B begins at 0."""
    trained = TRAINER.train(
        _job(tmp_path, learning_rate=said, num_epochs=1, batch_size=12), told := Told()
    )
    assert told.step == 1
    weights = load_file(trained.files[WEIGHTS_FILE])
    moved = [float(weights[name].abs().max()) for name in weights if "lora_B" in name]
    assert moved == [pytest.approx(rate, rel=0.01)] * len(moved) != []


def test_a_checkpoint_that_is_damaged_or_of_another_job_is_passed_over(tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped):
        TRAINER.train(_job(tmp_path), Told(most=3))
    (path,) = tmp_path.glob("checkpoint-*")
    mark = json.loads((path / checkpoints.PLACE).read_text())["job"]
    assert checkpoints.newest(tmp_path, job="another") is None
    assert checkpoints.newest(tmp_path, job=mark) is not None
    data = bytearray((path / checkpoints.TENSORS).read_bytes())
    data[-1] ^= 1
    (path / checkpoints.TENSORS).write_bytes(data)
    assert checkpoints.newest(tmp_path, job=mark) is None


def test_what_can_not_be_learned_is_refused_before_it_costs_anything_A42(tmp_path: Path) -> None:
    with pytest.raises(TrainingImpossible, match="fits into 16 tokens"):
        TRAINER.train(_job(tmp_path, max_seq_length=16), Told())
    job = _job(tmp_path)
    with pytest.raises(TrainingImpossible, match="the run was asked for on 000000000000"):
        TRAINER.train(replace(job, base_digest="0" * 64), Told())
    parameters = replace(job.parameters, target_modules=("q_proj", "rotary"))
    with pytest.raises(TrainingImpossible, match="has no modules rotary"):
        TRAINER.train(replace(job, parameters=parameters), Told())
    assert not list(tmp_path.iterdir())


class _Letters:
    """A tokenizer of letters."""

    eos_token_id = 0
    chat_template: str | None = TEMPLATE

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        return [ord(letter) for letter in text]

    def apply_chat_template(
        self, turns: list[dict[str, str]], *, add_generation_prompt: bool, tokenize: bool
    ) -> str:
        return "".join(f"<{turn['role']}>{turn['content']}" for turn in turns)


def test_answers_are_learned_and_prompts_only_read() -> None:
    example = Example("yes", (Message("user", "ok?"),))
    (row,) = encode(_Letters(), [example], max_tokens=64).rows
    assert "".join(map(chr, row.ids)) == "<user>ok?yes\0"
    assert row.start == len("<user>ok?")
    assert encode(_Letters(), [example], max_tokens=12).too_long == 1


def test_long_texts_are_cut_and_nothing_of_them_is_lost() -> None:
    found = encode(_Letters(), [Example("abcdefghij")], max_tokens=4)
    assert ["".join(map(chr, row.ids)) for row in found.rows] == ["abcd", "efgh", "ij\0"]
    assert {row.start for row in found.rows} == {1}


def test_each_epoch_holds_every_example_once_in_an_order_of_its_own() -> None:
    rows = encode(_Letters(), [Example("x" * size) for size in range(2, 25)], max_tokens=64).rows
    orders = []
    for epoch in (0, 1):
        steps = list(epoch_batches(rows, batch_size=2, batches_a_step=3, seed=1, epoch=epoch))
        assert [sum(map(len, step)) for step in steps] == [6, 6, 6, 5]
        flat = [row for step in steps for batch in step for row in batch]
        assert sorted(map(id, flat)) == sorted(map(id, rows))
        orders.append(flat)
    assert orders[0] != orders[1]
