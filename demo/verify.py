"""A second opinion in a process of its own: does plain PEFT explain every answer?

Each answer is teacher-forced through the version that its header names, loaded by PEFT from the
package on disk. A token counts as explained when it is the top one or lies within 1e-3 of the top
logit. The same is asked of the other version in each canary: where that one would have said
something else, a mixed-up answer could have been told apart.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from config.core.digests import SHORT_HEX, manifest_digest, sha256_file

from . import task
from .telling import progress

TIE = 1e-3
BATCH_ROWS = 8


@dataclass(frozen=True)
class Question:
    """One answer text to one note, to be explained by one version."""

    version: str
    note_index: int
    text: str
    finish: str


def package_hex(folder: Path) -> str:
    """The first 12 hex of the digest of the package in ``folder``."""
    files = [
        (path.relative_to(folder).as_posix(), sha256_file(path), path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return manifest_digest(files)[:SHORT_HEX]


class Judge:
    """PEFT with one adapter at a time, f32, greedy."""

    def __init__(self, base: Path, packages: dict[str, Path]) -> None:
        logging.disable_progress_bar()
        warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
        self._tokenizer = AutoTokenizer.from_pretrained(base)
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        names = sorted(packages)
        self._model = PeftModel.from_pretrained(model, packages[names[0]], adapter_name=names[0])
        for name in names[1:]:
            self._model.load_adapter(packages[name], adapter_name=name)
        self._model.eval()

    def tokens(self, note: str, text: str, finish: str) -> tuple[list[int], list[int]]:
        """Token ids of the prompt and of the answer, its end token included when it stopped."""
        prompt = self._tokenizer.apply_chat_template(
            task.messages(note), add_generation_prompt=True, tokenize=True, return_dict=False
        )
        answer = self._tokenizer.encode(text, add_special_tokens=False)
        if finish == "stop":
            answer = [*answer, self._tokenizer.eos_token_id]
        return list(prompt), answer

    @torch.inference_mode()
    def explains(self, version: str, rows: Sequence[tuple[list[int], list[int]]]) -> list[bool]:
        """Whether ``version`` would have said each row's answer to its prompt."""
        self._model.set_adapter(version)
        width = max(len(prompt) + len(answer) for prompt, answer in rows)
        pad = self._tokenizer.pad_token_id
        ids = torch.tensor([p + a + [pad] * (width - len(p) - len(a)) for p, a in rows])
        mask = torch.tensor(
            [[1] * (len(p) + len(a)) + [0] * (width - len(p) - len(a)) for p, a in rows]
        )
        logits = self._model(input_ids=ids, attention_mask=mask).logits
        verdicts = []
        for row, (prompt, answer) in enumerate(rows):
            at = logits[row, len(prompt) - 1 : len(prompt) + len(answer) - 1]
            given = at.gather(1, torch.tensor(answer).unsqueeze(1)).squeeze(1)
            verdicts.append(bool((at.max(dim=1).values - given <= TIE).all()))
        return verdicts


def _named(by_hex: dict[str, str], version: str) -> str:
    """The package's name for ``slug@hex``; empty for a digest that is none of ours."""
    return by_hex.get(version.partition("@")[2], "")


def _question(version: str, row: dict[str, Any]) -> Question:
    return Question(version, row["note_index"], row["text"], row["finish"])


def verify(
    *, records: Path, pool: Path, base: Path, packages_root: Path, canaries: dict[str, list[str]]
) -> dict[str, Any]:
    """Count mixed and distinguishable answers among the outcomes in ``records``.

    ``canaries`` names, for each phase of traffic in which two versions were routed, both.
    """
    packages = {
        f"v{number}": packages_root / f"v{number}" / "package"
        for number in range(1, 5)
        if (packages_root / f"v{number}" / "package").is_dir()
    }
    by_hex = {package_hex(folder): name for name, folder in packages.items()}
    notes = [json.loads(line)["note"] for line in pool.read_text().splitlines()]
    outcomes = [json.loads(line) for line in records.read_text().splitlines()]
    answered = [row for row in outcomes if row["is_ok"]]
    routed = {phase: {_named(by_hex, name) for name in names} for phase, names in canaries.items()}
    questions: set[Question] = set()
    for row in answered:
        versions = {_named(by_hex, row["version"])} | routed.get(row["phase"], set())
        questions |= {_question(version, row) for version in versions if version}
    judge = Judge(base, packages)
    verdicts: dict[Question, bool] = {}
    # Rows of like length share a batch, so that little is padded.
    ordered = sorted(questions, key=lambda q: (q.version, len(notes[q.note_index]), q.note_index))
    with progress("PEFT reads every answer again", len(ordered)) as bar:
        start = 0
        while start < len(ordered):
            version = ordered[start].version
            batch = [q for q in ordered[start : start + BATCH_ROWS] if q.version == version]
            rows = [judge.tokens(notes[q.note_index], q.text, q.finish) for q in batch]
            verdicts |= dict(zip(batch, judge.explains(version, rows), strict=True))
            start += len(batch)
            bar.to(start)
    mixed = distinguishable = 0
    for row in answered:
        named = _named(by_hex, row["version"])
        mixed += not verdicts.get(_question(named, row), False)
        others = routed.get(row["phase"], set()) - {named}
        if others and not any(verdicts[_question(other, row)] for other in others):
            distinguishable += 1
    return {"mixed": mixed, "distinguishable": distinguishable, "checked": len(answered)}


def main() -> int:
    """Read the arguments, judge, write the result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--packages", type=Path, required=True)
    parser.add_argument("--canaries", type=json.loads, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    result = verify(
        records=options.records,
        pool=options.pool,
        base=options.base,
        packages_root=options.packages,
        canaries=options.canaries,
    )
    beside = options.out.with_suffix(".tmp")
    beside.write_text(json.dumps(result))
    beside.rename(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
