"""Trainers: each makes an adapter's package from examples. This is the visible list of them."""

from collections.abc import Mapping

from registry.training.base import Trainer
from registry.training.lora import LoraTrainer

TRAINERS: Mapping[str, Trainer] = {trainer.name: trainer for trainer in (LoraTrainer(),)}
