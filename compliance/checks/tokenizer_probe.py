"""Compares two tokenizer.json files; run as a program of its own, under limits, never imported.

Standard input: ``{"base", "own", "others", "texts"}``: paths of the two (``own`` may be null), the
package's other files about tokens by name, and texts; standard output: facts.
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
OTHER_TOKENS = ("sep_token", "cls_token", "mask_token")
PARTS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")


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
    for one in (base, own):
        # What a trainer set for its batches, and no part of how text becomes ids.
        one.no_truncation()
        one.no_padding()
    before, after = base.get_vocab(), own.get_vocab()
    different = sum(
        base.encode(text).ids != own.encode(text).ids
        for text in (request["texts"] if request["own"] else [])
    )
    special: dict[str, int | None] = {}
    declared: list[dict[str, str]] = []
    for name, path in sorted(request["others"].items()):
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        if isinstance(data, dict):
            special |= _special_ids(name, data, after)
            declared += [
                {"path": name, "token": token}
                for token, token_id in _declared(name, data)
                if token not in before or token_id not in (None, before[token])
            ]
    return {
        "vocab_size": len(after),
        "added_tokens": sorted(after.keys() - before.keys())[:20],
        "removed_tokens": len(before.keys() - after.keys()),
        "moved_tokens": sum(after[key] != before[key] for key in before.keys() & after.keys()),
        "compared_texts": len(request["texts"]) if request["own"] else 0,
        "different_texts": different,
        "changed_parts": _changed_parts(base, own) if request["own"] else [],
        "special_token_ids": special,
        "declared_tokens": declared[:20],
    }


def _changed_parts(base: Any, own: Any) -> list[str]:
    """Parts that differ when both are written by the same library; the vocabulary apart."""
    before, after = json.loads(base.to_str()), json.loads(own.to_str())
    parts = [part for part in PARTS if before.get(part) != after.get(part)]
    models = before["model"], after["model"]
    return parts + [
        f"model.{key}"
        for key in sorted({*models[0], *models[1]} - {"vocab"})
        if models[0].get(key) != models[1].get(key)
    ]


def _text_of(token: Any) -> str | None:
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else None


def _special_ids(
    name: str, data: dict[str, Any], vocabulary: dict[str, int]
) -> dict[str, int | None]:
    prefix = "" if name == "tokenizer_config.json" else f"{name}:"
    return {
        prefix + key: vocabulary.get(text)
        for key in SPECIAL_TOKENS
        if (text := _text_of(data.get(key))) is not None
    }


def _declared(name: str, data: dict[str, Any]) -> list[tuple[str, int | None]]:
    """Tokens beside the four special ones that a file names, with their ids where it has them."""
    if name == "added_tokens.json":
        return list(data.items())
    named: list[tuple[Any, int | None]] = [(data.get(key), None) for key in OTHER_TOKENS]
    for key in ("additional_special_tokens", "extra_special_tokens"):
        more = data.get(key)
        listed = list(more.values()) if isinstance(more, dict) else more
        named += [(token, None) for token in (listed if isinstance(listed, list) else ())]
    decoder = data.get("added_tokens_decoder")
    for token_id, token in decoder.items() if isinstance(decoder, dict) else ():
        named.append((token, int(token_id) if token_id.isdigit() else -1))
    return [(text, number) for token, number in named if (text := _text_of(token)) is not None]


if __name__ == "__main__":
    main()
