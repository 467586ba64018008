"""Runs the browser tests of the pages and copies one picture of each into docs/images/."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TAKEN = ROOT / "var" / "screenshots"
KEPT = ROOT / "docs" / "images"
PAGES = ("today", "adapter", "version", "signing", "deployment", "rollout", "nodes", "audit")
WHOLE = {"deployment", "rollout"}
# Pages with tests of their own, and the picture of each that tells most.
OTHERS = {
    "playground": "playground-light",
    "evaluation": "evaluation-texts-light",
    "compare": "compare-light",
}
TESTS = ("test_pages.py", "test_playground.py", "test_evaluation.py")


def main() -> int:
    """Take them anew; the exit status is that of the tests."""
    tests = [sys.executable, "-m", "pytest", *(f"tests/browser/{name}" for name in TESTS), "-q"]
    env = {**os.environ, "PICTURES": "1"}
    status = subprocess.run(tests, cwd=ROOT, env=env, check=False).returncode  # noqa: S603
    if status == 0:
        KEPT.mkdir(parents=True, exist_ok=True)
        for page in PAGES:
            taken = "light" if page in WHOLE else "first-screen"
            shutil.copyfile(TAKEN / f"{page}-{taken}.png", KEPT / f"{page}.png")
        for page, taken in OTHERS.items():
            shutil.copyfile(TAKEN / f"{taken}.png", KEPT / f"{page}.png")
    return status


if __name__ == "__main__":
    sys.exit(main())
