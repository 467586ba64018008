"""Where ``formulary`` and ``python -m deliveries.cli`` begin."""

import sys


def run() -> int:
    """The command; an interrupt while its libraries are still being read ends it quietly too."""
    try:
        from .main import main

        return main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(run())
