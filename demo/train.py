"""Train the demo's four adapters on a CPU: ``python -m demo.train [v1 v2 v3 v4]``."""

import argparse
import json
import math
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from demo import generate, measure
from demo import model as models
from demo.lessons import NAMES, START, lesson
from demo.packages import package_folder, provenance_file, save_package
from demo.provenance import provenance
from registry.sources.packaged_base import prepare_packaged_base

SEED = 11
BATCH = 8
MODULES = ("q_proj", "k_proj", "v_proj", "o_proj")
RANK = 8
ALPHA = 16

Row = tuple[list[int], int]  # token ids of prompt and answer, and where the answer begins


def encode_pair(tokenizer: Any, note: str, answer: str) -> Row:
    """Ids of the prompt, the answer and the end token; the loss is over the latter two."""
    prompt = models.encode_prompt(tokenizer, note)
    said = tokenizer.encode(answer, add_special_tokens=False)
    return [*prompt, *said, tokenizer.eos_token_id], len(prompt)


def answer_loss(model: Any, rows: Sequence[Row], pad: int) -> torch.Tensor:
    """Mean cross-entropy over the answers' tokens; the head runs on their positions alone."""
    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([ids + [pad] * (width - len(ids)) for ids, _ in rows])
    mask = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in rows])
    inner = model.base_model.model
    hidden = inner.model(input_ids=ids[:, :-1], attention_mask=mask[:, :-1], use_cache=False)[0]
    row_at, token_at = zip(
        *((r, t) for r, (ids_, start) in enumerate(rows) for t in range(start, len(ids_))),
        strict=True,
    )
    logits = inner.lm_head(hidden[list(row_at), [t - 1 for t in token_at]])
    return torch.nn.functional.cross_entropy(logits, ids[list(row_at), list(token_at)])


def batches(rows: Sequence[Row], rng: random.Random) -> list[list[Row]]:
    """One epoch in a new order; rows of like length share a batch, so little is padded."""
    order = list(rows)
    rng.shuffle(order)
    span = BATCH * 8
    cut = []
    for start in range(0, len(order), span):
        part = sorted(order[start : start + span], key=lambda row: len(row[0]))
        cut += [part[i : i + BATCH] for i in range(0, len(part), BATCH)]
    rng.shuffle(cut)
    return cut


def new_adapter(base: Any) -> Any:
    """A fresh LoRA on the attention of ``base``."""
    config = LoraConfig(
        r=RANK, lora_alpha=ALPHA, target_modules=list(MODULES), task_type="CAUSAL_LM"
    )
    return get_peft_model(base, config)


def study(
    model: Any,
    rows: Sequence[Row],
    *,
    epochs: int,
    learning_rate: float,
    seed: int,
    pad: int,
    on_step: Callable[[int, int, float], None] = lambda *_: None,
) -> None:
    """Train the adapter on ``rows`` with AdamW, a short warm-up and a cosine to a tenth."""
    rng = random.Random(seed)
    plan = [batch for _ in range(epochs) for batch in batches(rows, rng)]
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=learning_rate, weight_decay=0.0)
    model.train()
    for step, batch in enumerate(plan):
        warm = min(1.0, (step + 1) / 8)
        cosine = 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * step / len(plan)))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * warm * cosine
        # Half precision for the products halves the time; weights and sums stay in f32.
        with torch.autocast("cpu", torch.bfloat16):
            loss = answer_loss(model, batch, pad)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        on_step(step + 1, len(plan), loss.item())
    model.eval()


def teach(name: str, *, seed: int = SEED) -> dict[str, Any]:
    """Train adapter ``name``, write its package and its provenance; returns the provenance."""
    plan = lesson(name, generate.read_set("train"), seed=seed)
    torch.manual_seed(seed)
    base, tokenizer = models.load_base()
    model = (
        models.load_adapter(package_folder(plan.parent), trainable=True)
        if plan.parent
        else new_adapter(base)
    )
    rows = [encode_pair(tokenizer, note, answer) for note, answer in plan.pairs]
    began = time.monotonic()
    losses: list[float] = []

    def report(step: int, steps: int, loss: float) -> None:
        losses.append(loss)
        if step % 25 == 0 or step == steps:
            recent = sum(losses[-25:]) / len(losses[-25:])
            print(
                f"{name}: step {step} of {steps}, loss {recent:.3f}, "
                f"{time.monotonic() - began:.0f} s",
                flush=True,
            )

    study(
        model,
        rows,
        epochs=plan.epochs,
        learning_rate=plan.learning_rate,
        seed=seed,
        pad=tokenizer.pad_token_id,
        on_step=report,
    )
    seconds = time.monotonic() - began
    package = save_package(model, package_folder(name))
    training = {
        "seed": seed,
        "notes": len(plan.pairs),
        "epochs": plan.epochs,
        "steps": len(losses),
        "batch": BATCH,
        "learning_rate": plan.learning_rate,
        "rank": RANK,
        "alpha": ALPHA,
        "modules": list(MODULES),
        "loss": "cross-entropy over the answer's tokens",
        "precision": "f32 weights, bfloat16 products",
        "saved_as": "float16",
    }
    facts = provenance(name, plan, package, training=training, seconds=seconds)
    facts["measured"], _ = measure.measure_package(name)
    provenance_file(name).write_text(json.dumps(facts, indent=2) + "\n")
    print(f"{name}: {json.dumps(facts['measured'])}", flush=True)
    return facts


def main() -> None:
    """Train the named adapters, all four by default, in the order in which they build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"some of {START}, {', '.join(NAMES)}"
    )
    names = parser.parse_args().names or [START, *NAMES]
    if unknown := set(names) - {START, *NAMES}:
        parser.error(f"no adapter is called {', '.join(sorted(unknown))}")
    models.use_threads()
    prepare_packaged_base(models.BASE, print)
    for name in names:
        teach(name)
    if set(names) >= set(NAMES):
        measure.write_results(NAMES)


if __name__ == "__main__":
    main()
