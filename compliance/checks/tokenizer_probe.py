"""Compares two tokenizer.json files; run as a program of its own, under limits, never imported.

Standard input: ``{"base", "own", "own_config", "texts"}`` (paths or null); standard output: facts.
A tokenizer holds rules and not code, but its patterns may take for ever, so the process has limits.
"""

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

CPU_SECONDS = 20
MEMORY_BYTES = 8 << 30
SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")


def main() -> None:
    """Read the request, print the facts."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    json.dump(_compare(json.load(sys.stdin)), sys.stdout)


def _compare(request: dict[str, Any]) -> dict[str, Any]:
    from tokenizers import Tokenizer  # after the limits are set

    base = Tokenizer.from_file(request["base"])
    own = Tokenizer.from_file(request["own"]) if request["own"] else base
    before, after = base.get_vocab(), own.get_vocab()
    different = sum(
        base.encode(text).ids != own.encode(text).ids
        for text in (request["texts"] if request["own"] else [])
    )
    return {
        "vocab_size": len(after),
        "added_tokens": sorted(after.keys() - before.keys())[:20],
        "removed_tokens": len(before.keys() - after.keys()),
        "moved_tokens": sum(after[key] != before[key] for key in before.keys() & after.keys()),
        "compared_texts": len(request["texts"]) if request["own"] else 0,
        "different_texts": different,
        "special_token_ids": _special_ids(request["own_config"], after),
    }


def _special_ids(config: str | None, vocabulary: dict[str, int]) -> dict[str, int | None]:
    if config is None:
        return {}
    data = json.loads(Path(config).read_text(encoding="utf-8"))
    found: dict[str, int | None] = {}
    for name in SPECIAL_TOKENS:
        token = data.get(name) if isinstance(data, dict) else None
        text = token.get("content") if isinstance(token, dict) else token
        if isinstance(text, str):
            found[name] = vocabulary.get(text)
    return found


if __name__ == "__main__":
    main()
