"""Measure the packages with plain PEFT, greedy and in f32: ``python -m demo.measure``."""

import json
import math
import sys
from collections.abc import Sequence
from typing import Any

from demo import generate, task
from demo import model as models
from demo.packages import ADAPTERS, package_folder

RESULTS = ADAPTERS / "results.json"
EVALUATIONS = ("eval_adults", "eval_children")
POOL = "traffic_pool"
Z_ONE_SIDED_95 = 1.6448536269514722


def wilson_low(correct: int, n: int, z: float = Z_ONE_SIDED_95) -> float:
    """The lower end of Wilson's one-sided 95 % interval of ``correct`` out of ``n``."""
    share = correct / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n)


def _counts(items: Sequence[generate.Item], answers: Sequence[models.Answer]) -> dict[str, Any]:
    right = [task.is_right(i, a.text) and a.obeys for i, a in zip(items, answers, strict=True)]
    return {
        "n": len(items),
        "correct": sum(right),
        "broken": sum(not answer.obeys for answer in answers),
    }


def measure(model: Any, tokenizer: Any) -> tuple[dict[str, Any], list[str]]:
    """Counts per set of the adapter on ``model``, and its answers to the traffic pool.

    ``broken`` counts answers that end at the token limit or have another form.
    """
    result: dict[str, Any] = {}
    for name in EVALUATIONS:
        items = generate.read_set(name)
        answers = models.answer_notes(model, tokenizer, [i["note"] for i in items])
        result[name] = _counts(items, answers)
    correct = sum(result[name]["correct"] for name in EVALUATIONS)
    n = sum(result[name]["n"] for name in EVALUATIONS)
    result["both"] = {"n": n, "correct": correct, "wilson_low": round(wilson_low(correct, n), 4)}
    pool = generate.read_set(POOL)
    answers = models.answer_notes(model, tokenizer, [i["note"] for i in pool])
    for length in ("short", "long"):
        part = [
            (i, a) for i, a in zip(pool, answers, strict=True) if i["groups"]["length"] == length
        ]
        result[f"pool_{length}"] = _counts(*zip(*part, strict=True))
    return result, [answer.text for answer in answers]


def measure_package(name: str) -> tuple[dict[str, Any], list[str]]:
    """`measure` of the package of adapter ``name``, loaded as any user of PEFT would."""
    _, tokenizer = models.load_base()
    return measure(models.load_adapter(package_folder(name)), tokenizer)


def write_results(names: Sequence[str]) -> dict[str, Any]:
    """Measure the packages of ``names`` and write ``results.json`` with how they differ."""
    results: dict[str, Any] = {}
    said: dict[str, list[str]] = {}
    for name in names:
        results[name], said[name] = measure_package(name)
        print(name, json.dumps(results[name]), flush=True)
    differ = {
        f"{a}-{b}": sum(x != y for x, y in zip(said[a], said[b], strict=True))
        for k, a in enumerate(names)
        for b in names[k + 1 :]
    }
    content = {"adapters": results, "pool_answers_that_differ": differ}
    RESULTS.write_text(json.dumps(content, indent=2) + "\n")
    return content


if __name__ == "__main__":
    models.use_threads()
    write_results(sys.argv[1:] or ("v1", "v2", "v3", "v4"))
