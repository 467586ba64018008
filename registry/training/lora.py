"""The trainer of LoRA adapters: transformers and PEFT on this machine's CPU or GPU."""

import platform
from importlib import metadata
from typing import ClassVar

from registry.training.base import Trained, Trainer, TrainingJob, Watch

LIBRARIES = ("torch", "transformers", "peft", "safetensors", "tokenizers")


class LoraTrainer(Trainer):
    """Fine-tunes a LoRA on a causal language model."""

    name: ClassVar[str] = "lora"

    def libraries(self) -> dict[str, str]:
        """Python's version and those of the libraries that compute."""
        versions = {name: metadata.version(name) for name in LIBRARIES}
        return {"python": platform.python_version(), **versions}

    def train(self, job: TrainingJob, watch: Watch) -> Trained:
        """Train to the end, from the newest checkpoint in the job's folder."""
        # A torch that was imported before a worker forks can hang its child: not until here.
        from registry.training.loop import train

        return train(job, watch)
