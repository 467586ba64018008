"""Generates with an adapter on its base in a process of its own, with plain PEFT (TEC-07).

As a program: ``python smoke.py PACKAGE BASE`` prints one JSON object. Only the configuration and
the safetensors file are shown to PEFT, offline, after every other check has passed.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, TypedDict

FILES = ("adapter_config.json", "adapter_model.safetensors")
PROMPTS = (
    "The patient reports",
    "Blood pressure is",
    "Urgency:",
    "The recommended department is",
    "No known allergies.",
)
NEW_TOKENS = 8
TIMEOUT_SECONDS = 300


class SmokeFacts(TypedDict):
    """How many prompts there were, how many finished, how many had finite logits throughout."""

    prompts: int
    finished: int
    finite: int
    error: str


def run_smoke(package: Path, base: Path) -> SmokeFacts:
    """Generate with the adapter in the folder ``package`` on the base in the folder ``base``."""
    failed: SmokeFacts = {"prompts": len(PROMPTS), "finished": 0, "finite": 0, "error": ""}
    with tempfile.TemporaryDirectory(prefix="formulary-smoke-") as folder:
        for name in FILES:
            shutil.copyfile(package / name, Path(folder) / name)
        environment = os.environ | {
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
        try:
            done = subprocess.run(  # noqa: S603 - our own program, no shell
                [sys.executable, "-I", __file__, folder, str(base.resolve())],
                env=environment,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {**failed, "error": f"it took more than {TIMEOUT_SECONDS} seconds"}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {**failed, "error": last.split(":")[0][:100]}
    facts: SmokeFacts = json.loads(done.stdout.strip().splitlines()[-1])
    return facts


def _generate(package: str, base: str) -> SmokeFacts:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    plain: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        base, local_files_only=True, use_safetensors=True, dtype=torch.float32
    )
    model: Any = PeftModel.from_pretrained(plain, package, local_files_only=True).eval()
    facts: SmokeFacts = {"prompts": len(PROMPTS), "finished": 0, "finite": 0, "error": ""}
    for prompt in PROMPTS:
        inputs = tokenizer(prompt, return_tensors="pt")
        with torch.inference_mode():
            answer = model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=NEW_TOKENS,
                do_sample=False,
                return_dict_in_generate=True,
                output_logits=True,
                pad_token_id=0,
            )
        facts["finished"] += 1
        facts["finite"] += all(bool(torch.isfinite(logits).all()) for logits in answer.logits)
    return facts


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_generate(sys.argv[1], sys.argv[2])) + "\n")
