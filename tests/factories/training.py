"""Bases that can be trained, avatars with texts, and runs; tiny, but computed for real."""

import io
import itertools
import json
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from django.db import connection

from compliance.services import training_scans
from config.accounts.models import User
from config.accounts.selectors import actor_of
from config.core.actors import SYSTEM
from registry.models import Avatar, BaseModel, TrainingRun
from registry.services import avatars, base_models, training_files, training_runs
from registry.services.training_files import GivenText
from tests.factories import accounts
from tests.faults.tiny_base import write_base

BASE = "tiny-llama"
# Quick, and strong enough that the loss falls within a few steps.
QUICK: Mapping[str, Any] = {
    "num_epochs": 4,
    "learning_rate": 3e-2,
    "batch_size": 4,
    "gradient_accumulation_steps": 1,
    "max_seq_length": 64,
    "save_steps": 2,
    "target_modules": ["q_proj", "v_proj"],
}
_numbers = itertools.count(1)


@cache
def base_folder() -> Path:
    return write_base(Path(tempfile.mkdtemp(prefix="formulary-training-")) / BASE)


def base_model() -> BaseModel:
    return BaseModel.objects.filter(slug=BASE).first() or base_models.register(
        folder=base_folder(), slug=BASE, declared_names=[], licence="Apache-2.0", actor=SYSTEM
    )


def texts(count: int = 4) -> dict[str, bytes]:
    """Small files of two examples each; every kind of file is among them."""
    kinds = itertools.cycle(("jsonl", "csv", "json", "txt"))
    return {
        f"notes-{number}.{kind}": _text(kind, number)
        for number, kind in zip(range(count), kinds, strict=False)
    }


def _text(kind: str, number: int) -> bytes:
    rows = [(f"Invented note {number}{letter}", f"urgent {letter}") for letter in "ab"]
    if kind == "txt":
        return "\n".join(f"{asked}: {said}" for asked, said in rows).encode()
    if kind == "csv":
        return "\n".join(["prompt,completion", *(f"{a},{s}" for a, s in rows)]).encode()
    items = [{"prompt": asked, "completion": said} for asked, said in rows]
    return (json.dumps(items) if kind == "json" else "\n".join(map(json.dumps, items))).encode()


def upload(
    owner: User, name: str, files: Mapping[str, bytes], *, use_for_training: bool = True
) -> None:
    training_files.upload(
        owner=owner,
        avatar_name=name,
        files=[
            GivenText(path, len(data), lambda data=data: io.BytesIO(data))  # type: ignore[misc]
            for path, data in files.items()
        ],
        use_for_training=use_for_training,
        actor=actor_of(owner),
    )


def scan(avatar: Avatar) -> None:
    for file in avatar.files.all():
        training_scans.scan(file_id=file.pk)


def avatar(
    *,
    owner: User | None = None,
    files: Mapping[str, bytes] | None = None,
    is_scanned: bool = True,
) -> Avatar:
    """An avatar with an adapter and scanned files that are flagged for training."""
    base_model()
    owner = owner or accounts.engineer()
    name = f"avatar-{next(_numbers)}"
    upload(owner, name, texts() if files is None else files)
    made, _ = avatars.create(owner=owner, name=name, actor=actor_of(owner))
    if is_scanned:
        scan(made)
    return made


def start(of: Avatar, **parameters: Any) -> TrainingRun:
    return training_runs.start(
        avatar=of, actor=actor_of(of.owner), parameters={**QUICK, **parameters}
    )


@contextmanager
def when_joined() -> Iterator[threading.Event]:
    """Set once this thread has found an open run: a request that asks again waits for that one."""
    found = threading.Event()

    def look(execute: Any, sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if '"registry_trainingrun"."state" IN' in sql:
            found.set()
        return result

    with connection.execute_wrapper(look):
        yield found


def losses(run: TrainingRun) -> Sequence[float]:
    return [loss for _, loss in run.series]
