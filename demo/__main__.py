"""``make demo``: the whole main job on an embedded stack, then everything left running."""

import argparse
import os
import shutil
import sys

from config.stack.processes import half_the_processors
from config.stack.stack import Stack, StackFailed

from .places import HOME, MODELS, OUT


def main() -> int:
    """Wipe the demo's state, start the stack, walk the main job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--exit", action="store_true", help="end when the job is done")
    options = parser.parse_args()
    for name in ("DATABASE_URL", "REDIS_URL", "FORMULARY_ADMIN_USER", "STORAGE_TYPE"):
        # The demo's state is its own: it never writes into a database that somebody else uses.
        os.environ.pop(name, None)
    os.environ["FORMULARY_MODELS"] = str(MODELS)
    shutil.rmtree(HOME, ignore_errors=True)
    (OUT / "summary.json").unlink(missing_ok=True)
    stack = Stack(
        home=HOME,
        port=options.port,
        node_slots=6,
        node_threads=half_the_processors(),
        is_durable=False,
        echo_logs=False,
    )
    job = [sys.executable, "-m", "demo.main_job", *(["--exit"] if options.exit else [])]
    try:
        return stack.run(job=job, exit_after_job=options.exit)
    except StackFailed as error:
        print(f"\nThe demo could not start: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
