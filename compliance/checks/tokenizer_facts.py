"""The package's own tokenizer against the base's, compared in a process with limits."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from compliance.checks.medical_texts import TEXTS
from compliance.domain.snapshot import TokenizerFacts

PROBE = Path(__file__).with_name("tokenizer_probe.py")
TOKENIZER = "tokenizer.json"
TOKENIZER_FILES = (
    TOKENIZER,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class TokenizerComparison:
    """What the package says about tokens; the members of ``PackageFacts`` of the same names."""

    tokenizer: TokenizerFacts | None = None
    special_token_ids: dict[str, int | None] = field(default_factory=dict)
    declared_tokens: list[dict[str, str]] = field(default_factory=list)
    error: str = ""


def compare_tokenizer(
    hashes: Mapping[str, str],
    open_file: Callable[[str], BinaryIO],
    *,
    base_tokenizer: Path | None,
) -> TokenizerComparison:
    """Facts about the package's tokenizer and the tokens that its other files name.

    ``hashes``: SHA-256 of those of ``TOKENIZER_FILES`` that the package has.
    """
    if not hashes:
        return TokenizerComparison()
    answer: dict[str, Any] = {}
    error = "the base's tokenizer is not at hand"
    if base_tokenizer is not None:
        answer, error = _probe(hashes, open_file, base_tokenizer)
    special = answer.pop("special_token_ids", {})
    declared = answer.pop("declared_tokens", [])
    if TOKENIZER not in hashes:
        return TokenizerComparison(None, special, declared, error)
    facts: TokenizerFacts = {
        "path": TOKENIZER,
        "sha256": hashes[TOKENIZER],
        "error": error,
        "vocab_size": 0,
        "added_tokens": [],
        "removed_tokens": 0,
        "moved_tokens": 0,
        "compared_texts": 0,
        "different_texts": 0,
        "changed_parts": [],
    }
    facts.update(answer)  # type: ignore[typeddict-item]
    return TokenizerComparison(facts, special, declared, error)


def _probe(
    hashes: Mapping[str, str], open_file: Callable[[str], BinaryIO], base_tokenizer: Path
) -> tuple[dict[str, Any], str]:
    with tempfile.TemporaryDirectory(prefix="formulary-tokenizer-") as folder:
        places: dict[str, str] = {}
        for name in hashes:
            place = Path(folder) / name
            with open_file(name) as source, place.open("wb") as target:
                shutil.copyfileobj(source, target)
            places[name] = str(place)
        request = {
            "base": str(base_tokenizer.resolve()),
            "own": places.get(TOKENIZER),
            "others": {name: place for name, place in places.items() if name != TOKENIZER},
            "texts": TEXTS,
        }
        try:
            done = subprocess.run(  # noqa: S603 - our own program, no shell
                [sys.executable, "-I", str(PROBE)],
                input=json.dumps(request),
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
                cwd=folder,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {}, "comparing it took too long"
    if done.returncode:
        return {}, "it is nothing that the tokenizers library can read"
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer, ""
