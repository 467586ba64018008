"""The package's own tokenizer against the base's, compared in a process with limits."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from compliance.checks.medical_texts import TEXTS
from compliance.domain.snapshot import TokenizerFacts

PROBE = Path(__file__).with_name("tokenizer_probe.py")
TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"
TIMEOUT_SECONDS = 60


def compare_tokenizer(
    hashes: Mapping[str, str],
    open_file: Callable[[str], BinaryIO],
    *,
    base_tokenizer: Path | None,
) -> tuple[TokenizerFacts | None, dict[str, int | None]]:
    """Facts about the package's tokenizer, and the ids of the special tokens that it names.

    ``hashes``: SHA-256 of those of tokenizer.json and tokenizer_config.json that the package has.
    """
    if not hashes:
        return None, {}
    answer: dict[str, Any] = {}
    error = "the base's tokenizer is not at hand"
    if base_tokenizer is not None:
        answer, error = _probe(hashes, open_file, base_tokenizer)
    special = answer.pop("special_token_ids", {})
    if TOKENIZER not in hashes:
        return None, special
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
    }
    facts.update(answer)  # type: ignore[typeddict-item]
    return facts, special


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
            "own_config": places.get(TOKENIZER_CONFIG),
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
        return {}, "it is no tokenizer that the tokenizers library can read"
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer, ""
