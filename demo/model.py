"""The base and its adapters under plain PEFT: loading, encoding, greedy answers."""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

# peft and transformers take seconds: only where they are used.
from demo import task

BASE = Path("var/models/smollm2-135m")
BASE_NAME = "smollm2-135m"
BATCH = 32


@dataclass(frozen=True)
class Answer:
    """What was said, and why it ended: ``stop`` at the end token, ``length`` at the limit."""

    text: str
    finish: str

    @property
    def obeys(self) -> bool:
        """Whether the answer keeps the output contract."""
        return self.finish == "stop" and task.obeys_contract(self.text)


def use_threads() -> None:
    """Let torch use ``DEMO_THREADS`` threads (2 by default)."""
    torch.set_num_threads(int(os.environ.get("DEMO_THREADS", "2")))


def load_base(base: Path = BASE) -> tuple[Any, Any]:
    """The base in f32 and its tokenizer, from the folder ``base``."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    return model.eval(), AutoTokenizer.from_pretrained(base)


def load_adapter(package: Path, *, base: Path = BASE, trainable: bool = False) -> Any:
    """The base with the adapter of ``package`` on it, as PEFT loads it; computes in f32."""
    from peft import PeftModel

    model, _ = load_base(base)
    return PeftModel.from_pretrained(model, package, is_trainable=trainable)


def encode_prompt(tokenizer: Any, note: str) -> list[int]:
    """Token ids of the prompt of ``note``, up to where the answer begins."""
    text = tokenizer.apply_chat_template(
        task.messages(note), add_generation_prompt=True, tokenize=False
    )
    return tokenizer.encode(text, add_special_tokens=False)


@torch.inference_mode()
def answer_notes(model: Any, tokenizer: Any, notes: Sequence[str]) -> list[Answer]:
    """Greedy answers of at most ``MAX_TOKENS`` tokens, in the order of ``notes``.

    Prompts are batched by equal length, so no padding can touch the numbers.
    """
    model.eval()
    prompts = [encode_prompt(tokenizer, note) for note in notes]
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, ids in enumerate(prompts):
        by_length[len(ids)].append(index)
    answers: dict[int, Answer] = {}
    eos = tokenizer.eos_token_id
    for length, indexes in sorted(by_length.items()):
        for start in range(0, len(indexes), BATCH):
            batch = indexes[start : start + BATCH]
            ids = torch.tensor([prompts[i] for i in batch])
            out = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=task.MAX_TOKENS,
                do_sample=False,
                pad_token_id=eos,
                eos_token_id=eos,
            )
            for index, row in zip(batch, out[:, length:].tolist(), strict=True):
                stopped = eos in row
                said = row[: row.index(eos)] if stopped else row
                answers[index] = Answer(tokenizer.decode(said), "stop" if stopped else "length")
    return [answers[index] for index in range(len(notes))]
