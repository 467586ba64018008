"""Checkpoints: adapter, optimizer, random state and place, in safetensors and JSON, never pickled.

A checkpoint is a folder ``checkpoint-<step>`` that appears whole, by a rename; its JSON holds the
digest of its tensors and of the job, so that damage or another job's is found and passed over.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from config.core.digests import sha256_file

TENSORS, PLACE = "state.safetensors", "place.json"
PREFIX = "checkpoint-"


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stood: the state after ``step`` steps, and what it had told by then."""

    step: int
    tensors: Mapping[str, torch.Tensor]
    told: Mapping[str, Any]


def save(folder: Path, *, job: str, checkpoint: Checkpoint) -> None:
    """Write it beside, sync, rename; then the older ones go."""
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f".{PREFIX}{checkpoint.step}.{os.getpid()}"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    tensors = {name: tensor.contiguous().cpu() for name, tensor in checkpoint.tensors.items()}
    save_file(tensors, beside / TENSORS)
    place = {
        "job": job,
        "step": checkpoint.step,
        "tensors_sha256": sha256_file(beside / TENSORS),
        "told": checkpoint.told,
    }
    (beside / PLACE).write_text(json.dumps(place))
    for path in (beside / TENSORS, beside / PLACE, beside):
        _sync(path)
    target = folder / f"{PREFIX}{checkpoint.step}"
    shutil.rmtree(target, ignore_errors=True)
    beside.rename(target)
    _sync(folder)
    for other in folder.iterdir():
        if PREFIX in other.name and other != target:
            shutil.rmtree(other, ignore_errors=True)


def newest(folder: Path, *, job: str) -> Checkpoint | None:
    """The newest whole checkpoint of this job; what is damaged or of another job is passed over."""
    found = sorted(folder.glob(f"{PREFIX}*"), key=_step_of, reverse=True)
    return next((read for path in found if (read := _read(path, job)) is not None), None)


def _step_of(path: Path) -> int:
    number = path.name.removeprefix(PREFIX)
    return int(number) if number.isdigit() else -1


def _read(path: Path, job: str) -> Checkpoint | None:
    try:
        place = json.loads((path / PLACE).read_text())
        if place["job"] != job or place["tensors_sha256"] != sha256_file(path / TENSORS):
            return None
        return Checkpoint(int(place["step"]), load_file(path / TENSORS), place["told"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
