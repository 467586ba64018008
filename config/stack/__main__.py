"""``python -m config.stack``: the whole of Formulary on one machine, until Ctrl-C."""

import argparse
import os
import sys
from pathlib import Path

from .processes import half_the_processors
from .stack import BASE, Stack, StackFailed
from .supervisor import RestartPolicy

DEFAULT = RestartPolicy()


def main() -> int:
    """Start the stack, run the job if one is named, wait for Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(os.environ.get("FORMULARY_HOME", "var")))
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")))
    parser.add_argument("--node-slots", type=int, default=8)
    parser.add_argument("--node-threads", type=int, default=half_the_processors())
    parser.add_argument("--engine", choices=["torch", "memory"], default="torch")
    parser.add_argument("--base", default=BASE, help="a base that we ship, or a folder")
    parser.add_argument(
        "--restarts", type=int, default=DEFAULT.most, help="how often one child may end in 5 min"
    )
    parser.add_argument(
        "--restart-cap", type=float, default=DEFAULT.cap_seconds, help="longest pause in seconds"
    )
    parser.add_argument("--is-fast", action="store_true", help="no fsync: for throw-away state")
    parser.add_argument("--quiet", action="store_true", help="logs to files only")
    parser.add_argument("--exit-after-job", action="store_true")
    parser.add_argument("job", nargs=argparse.REMAINDER, help="a command to run when all is up")
    options = parser.parse_args()
    stack = Stack(
        home=options.home.resolve(),
        port=options.port,
        node_slots=options.node_slots,
        node_threads=options.node_threads,
        is_durable=not options.is_fast,
        echo_logs=not options.quiet,
        engine=options.engine,
        base=options.base,
        restarts=RestartPolicy(most=options.restarts, cap_seconds=options.restart_cap),
    )
    try:
        return stack.run(
            job=[part for part in options.job if part != "--"],
            exit_after_job=options.exit_after_job,
        )
    except StackFailed as error:
        print(f"\nFormulary could not start: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
