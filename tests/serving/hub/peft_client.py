"""Loads an adapter with PEFT straight from HF_ENDPOINT onto a base folder, and asks it.

Reads ``{"base", "repo", "revision", "folder", "text"}`` from standard input; ``folder`` holds the
same adapter on the disk. Writes the largest differences of the logits, and the words.
"""

import json
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    """Answer what standard input asks."""
    asked = json.load(sys.stdin)
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(asked["base"])
    model = AutoModelForCausalLM.from_pretrained(asked["base"]).eval()
    tokens = tokenizer(asked["text"], return_tensors="pt")
    with torch.no_grad():
        base = model(**tokens).logits
        model = PeftModel.from_pretrained(
            model, asked["repo"], revision=asked["revision"], adapter_name="pulled"
        ).eval()
        pulled = model(**tokens).logits
        words = model.generate(**tokens, max_new_tokens=8, do_sample=False)
        model.load_adapter(asked["folder"], adapter_name="local")
        model.set_adapter("local")
        local = model(**tokens).logits
    answer = {
        "from_base": float((pulled - base).abs().max()),
        "from_local": float((pulled - local).abs().max()),
        "words": tokenizer.decode(words[0][tokens["input_ids"].shape[1] :]),
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
