"""Runs the browser tests of the pages and copies one picture of each into docs/images/."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TAKEN = ROOT / "var" / "screenshots"
KEPT = ROOT / "docs" / "images"
PAGES = ("today", "adapter", "version", "signing", "deployment", "rollout", "nodes", "audit")
WHOLE = {"deployment", "rollout"}


def main() -> int:
    """Take them anew; the exit status is that of the tests."""
    tests = [sys.executable, "-m", "pytest", "tests/browser/test_pages.py", "-q"]
    status = subprocess.run(tests, cwd=ROOT, check=False).returncode  # noqa: S603
    if status == 0:
        KEPT.mkdir(parents=True, exist_ok=True)
        for page in PAGES:
            taken = "light" if page in WHOLE else "first-screen"
            shutil.copyfile(TAKEN / f"{page}-{taken}.png", KEPT / f"{page}.png")
    return status


if __name__ == "__main__":
    sys.exit(main())
