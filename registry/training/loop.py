"""The training loop: mixed precision, accumulated gradients, checkpoints that it goes on from."""

import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from registry.domain.base_folder import base_facts
from registry.domain.training_parameters import StepPlan
from registry.training import checkpoints
from registry.training.base import (
    Trained,
    TrainingImpossible,
    TrainingJob,
    TrainingStopped,
    Watch,
)
from registry.training.dataset import Encoded, Row, encode, epoch_batches
from registry.training.packages import require_targets, write_package

CLIP_NORM = 1.0


def train(job: TrainingJob, watch: Watch) -> Trained:
    """Train ``job`` to its end; see ``Trainer.train``."""
    facts = base_facts(job.base_folder)
    if facts.digest != job.base_digest:
        raise TrainingImpossible(
            f"The folder of {job.base_name} holds {facts.digest[:12]}, the run was asked for on "
            f"{job.base_digest[:12]}.",
            fix="Bring the registered base model back, or start another run.",
        )
    require_targets(job.parameters, facts)
    # Its warnings would quote lengths of texts, its bars end in logs.
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(job.base_folder, local_files_only=True)
    encoded = encode(tokenizer, job.examples, max_tokens=job.parameters.max_seq_length)
    if not encoded.rows:
        raise TrainingImpossible(
            f"None of {len(job.examples)} examples fits into {job.parameters.max_seq_length} "
            "tokens.",
            fix="Raise max_seq_length, or shorten the examples.",
        )
    pad = tokenizer.pad_token_id
    course = _Course(job, encoded, pad if pad is not None else tokenizer.eos_token_id, watch)
    course.run()
    return Trained(
        files=write_package(course.model, job, facts, trained=course.outcome(with_course=False)),
        metrics=course.outcome(with_course=True),
    )


class _Course:
    """One attempt at a job: the model, where it stands, and what it has told."""

    def __init__(self, job: TrainingJob, encoded: Encoded, pad: int, watch: Watch) -> None:
        self._job, self._encoded, self._pad, self._watch = job, encoded, pad, watch
        self._plan = StepPlan(len(encoded.rows), job.parameters)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._mark = _mark(job, encoded.rows)
        torch.manual_seed(job.seed)
        self.model = _new_adapter(job).to(self._device)
        self._weights = [p for p in self.model.parameters() if p.requires_grad]
        self._optimizer = torch.optim.AdamW(self._weights, weight_decay=0.0)
        self._step = 0
        self._series: list[list[float]] = []
        self._pending: list[float] = []
        self._seconds_before, self._went_on_from = 0.0, 0
        self._began_at = time.monotonic()

    def run(self) -> None:
        """Every step that is not done yet."""
        found = checkpoints.newest(self._job.folder, job=self._mark)
        if found is not None:
            self._restore(found)
        self._watch.began(
            step=self._step,
            steps=self._plan.steps,
            series=[(int(step), loss) for step, loss in self._series],
        )
        self.model.train()
        saved_at = time.monotonic()
        for batches in islice(self._steps(), self._plan.steps - self._step):
            self._learn(batches)
            is_late = time.monotonic() - saved_at > self._job.checkpoint_seconds
            is_last = self._step == self._plan.steps
            if is_late or is_last or self._step % self._job.parameters.save_steps == 0:
                self._save()
                saved_at = time.monotonic()

    def outcome(self, *, with_course: bool) -> dict[str, Any]:
        """What was measured; losses in nats per token. Without the course it is always the same."""
        final_loss = self._series[-1][1]
        found = {
            "examples": len(self._encoded.rows),
            "examples_too_long": self._encoded.too_long,
            "tokens_an_epoch": self._encoded.tokens,
            "steps": self._plan.steps,
            "epochs": self._job.parameters.num_epochs,
            "first_loss": self._series[0][1],
            "final_loss": final_loss,
            "perplexity": round(math.exp(min(final_loss, 50.0)), 4),
            "trainable_parameters": sum(weight.numel() for weight in self._weights),
        }
        if with_course:
            found |= {
                "seconds": round(self._seconds(), 3),
                "device": self._device.type,
                "went_on_from_step": self._went_on_from,
            }
        return found

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._began_at

    def _steps(self) -> Iterator[list[list[Row]]]:
        """The batches of each step from the present one on."""
        parameters = self._job.parameters
        first, skip = divmod(self._step, self._plan.steps_an_epoch)
        for epoch in range(first, parameters.num_epochs):
            steps = epoch_batches(
                self._encoded.rows,
                batch_size=parameters.batch_size,
                batches_a_step=parameters.gradient_accumulation_steps,
                seed=self._job.seed,
                epoch=epoch,
            )
            yield from islice(steps, skip if epoch == first else 0, None)

    def _learn(self, batches: Sequence[Sequence[Row]]) -> None:
        """One optimizer step: the mean loss over all its tokens, clipped, at the plan's rate."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._plan.learning_rate(self._step)
        tokens = sum(len(row.ids) - row.start for batch in batches for row in batch)
        loss = 0.0
        for batch in batches:
            if self._watch.must_stop():
                raise TrainingStopped
            with torch.autocast(self._device.type, torch.bfloat16):
                part = self._summed_loss(batch) / tokens
            part.backward()
            loss += part.item()
        if not math.isfinite(loss):
            raise TrainingImpossible(
                f"The loss is no number any more at step {self._step + 1}.",
                fix="Lower learning_rate, or look for broken examples in the data.",
            )
        torch.nn.utils.clip_grad_norm_(self._weights, CLIP_NORM)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._step += 1
        self._pending.append(loss)
        point = None
        if self._step % self._plan.steps_a_point == 0 or self._step == self._plan.steps:
            point = (self._step, round(sum(self._pending) / len(self._pending), 6))
            self._series.append(list(point))
            self._pending.clear()
        self._watch.stepped(step=self._step, point=point)

    def _summed_loss(self, batch: Sequence[Row]) -> torch.Tensor:
        """Cross-entropy, summed over what is to be learned; the head runs on its tail alone."""
        width = max(len(row.ids) for row in batch)
        ids = torch.full((len(batch), width), self._pad)
        learned = torch.full((len(batch), width), -100)
        mask = torch.zeros((len(batch), width), dtype=torch.long)
        for index, row in enumerate(batch):
            values = torch.tensor(row.ids)
            ids[index, : len(values)] = values
            mask[index, : len(values)] = 1
            learned[index, row.start : len(values)] = values[row.start :]
        keep = width - min(row.start for row in batch)
        logits = self.model(
            input_ids=ids[:, :-1].to(self._device),
            attention_mask=mask[:, :-1].to(self._device),
            use_cache=False,
            logits_to_keep=keep,
        ).logits
        wanted = learned[:, width - keep :].to(self._device)
        return cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), reduction="sum")

    def _save(self) -> None:
        tensors = {f"adapter.{k}": v for k, v in get_peft_model_state_dict(self.model).items()}
        for index, weight in enumerate(self._weights):
            for name, value in self._optimizer.state[weight].items():
                tensors[f"optimizer.{index}.{name}"] = value
        tensors["random.cpu"] = torch.get_rng_state()
        if self._device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        told = {"series": self._series, "pending": self._pending, "seconds": self._seconds()}
        checkpoints.save(
            self._job.folder,
            job=self._mark,
            checkpoint=checkpoints.Checkpoint(self._step, tensors, told),
        )
        self._watch.checkpointed(step=self._step)

    def _restore(self, found: checkpoints.Checkpoint) -> None:
        parts: dict[str, dict[str, torch.Tensor]] = {}
        for name, tensor in found.tensors.items():
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = tensor
        set_peft_model_state_dict(self.model, parts["adapter"])
        for name, tensor in parts.get("optimizer", {}).items():
            index, _, key = name.partition(".")
            # The count of steps stays on the CPU; AdamW keeps it there.
            kept = tensor if key == "step" else tensor.to(self._device)
            self._optimizer.state[self._weights[int(index)]][key] = kept
        torch.set_rng_state(parts["random"]["cpu"])
        if self._device.type == "cuda" and "cuda" in parts["random"]:
            torch.cuda.set_rng_state(parts["random"]["cuda"])
        self._step = self._went_on_from = found.step
        self._series = [list(point) for point in found.told["series"]]
        self._pending = list(found.told["pending"])
        self._seconds_before = float(found.told["seconds"])


def _new_adapter(job: TrainingJob) -> Any:
    """The base in f32 with a fresh LoRA on it."""
    base = AutoModelForCausalLM.from_pretrained(
        job.base_folder,
        dtype=torch.float32,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
    )
    parameters = job.parameters
    config = LoraConfig(
        r=parameters.lora_r,
        lora_alpha=parameters.lora_alpha,
        lora_dropout=parameters.lora_dropout,
        target_modules=list(parameters.target_modules),
        bias="none",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(base, config)


def _mark(job: TrainingJob, rows: Sequence[Row]) -> str:
    """What a checkpoint must have been written for: this base, plan, seed, and these rows."""
    digest = hashlib.sha256()
    head = [job.base_digest, job.parameters.as_json(), job.seed]
    digest.update(json.dumps(head, sort_keys=True).encode())
    for row in rows:
        digest.update(repr((row.ids, row.start)).encode())
    return digest.hexdigest()
