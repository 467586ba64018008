"""``python -m demo.main_job``: walks the main job against a running stack, sums it up."""

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import django

from .people import DemoFailed
from .places import OUT
from .telling import chapter, say

if TYPE_CHECKING:
    from .casting import Company


def main() -> int:
    """Walk the job, write the summary, say where to look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exit", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from .walk import MainJob

    url = os.environ["FORMULARY_URL"]
    try:
        job = MainJob(url)
        summary = job.walk()
    except DemoFailed as error:
        print(f"\nThe demo stopped: {error}", file=sys.stderr)
        return 1
    _write(summary)
    is_good = not summary["failed"] and not summary["mixed"] and summary["audit_verified"]
    if not options.exit:
        _invite(url, job.company)
    return 0 if is_good else 1


def _write(summary: dict[str, Any]) -> None:
    path = OUT / "summary.json"
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(summary, indent=2) + "\n")
    beside.rename(path)
    chapter("What happened")
    print(json.dumps(summary, indent=2))


def _invite(url: str, company: "Company") -> None:
    chapter("Have a look")
    say(f"Console: {url}/console/")
    for person in company.everybody():
        say(
            f"{person.username:<10} password {person.password}   "
            f"authenticator secret {person.totp_secret}"
        )
    say("Ctrl-C ends everything.")


if __name__ == "__main__":
    sys.exit(main())
