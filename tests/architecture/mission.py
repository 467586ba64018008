"""Writes docs/mission.md from docs/mission.yaml and the names of the tests.

A test proves what the ids at the end of its name say: ``test_back_to_the_previous_version_M76``.
"""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "mission.md"
COUNTS = {"S": 66, "M": 176, "L": 71, "F": 60, "A": 70}
IDS = re.compile(r"(?:_[SMLFA][1-9][0-9]{0,2})+$")
HEAD = """# Mission

Formulary carries on what five systems promised. This page lists each of their {total} capabilities
under a stable id, in our words, with the tests that prove it; {proven} are proven today. A test
proves an item only if its name ends with the item's id, so that the claim can be looked up and run:

```
.venv/bin/python -m pytest tests -k M76
```

`python -m tests.architecture.mission` writes this page from `docs/mission.yaml` and the names of
the tests.
"""


@cache
def wording() -> dict[str, str]:
    """Id → what it asks for, in the order of the page."""
    parts = yaml.safe_load((ROOT / "docs" / "mission.yaml").read_text())
    return {
        f"{letter}{number}": text
        for letter, part in parts.items()
        for number, text in part["items"].items()
    }


@cache
def titles() -> dict[str, str]:
    """Letter → title."""
    parts = yaml.safe_load((ROOT / "docs" / "mission.yaml").read_text())
    return {letter: part["title"] for letter, part in parts.items()}


@cache
def proofs() -> dict[str, list[tuple[str, str]]]:
    """Id → (file, name) of each test function that carries it."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            match = IDS.search(node.name)
            if match and node.name.startswith("test_"):
                for item in match[0].strip("_").split("_"):
                    found[item].append((str(path.relative_to(ROOT)), node.name))
    return found


def page() -> str:
    """The page as it must be."""
    proven, words = proofs(), wording()
    lines = [HEAD.format(total=len(words), proven=sum(item in proven for item in words))]
    for letter, title in titles().items():
        items = [item for item in words if item[0] == letter]
        done = sum(item in proven for item in items)
        lines += [f"## {letter}: {title}", "", f"{done} of {len(items)} proven.", ""]
        lines += ["| id | what | proven by |", "|---|---|---|"]
        for item in items:
            tests = "<br>".join(f"[`{name}`](../{file})" for file, name in proven.get(item, []))
            lines.append(f"| {item} | {words[item]} | {tests or 'not yet'} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())
