#!/usr/bin/env python
"""Formulary's commands."""

import os
import sys

from config.core.starting import undisturbed_imports


def main() -> None:
    """Run the command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # The control loop works without end; all other commands are run by people, and end.
    is_control = sys.argv[1:2] == ["run_control"]
    os.environ["FORMULARY_PROCESS"] = "worker" if is_control else "command"
    with undisturbed_imports():
        import django
        from django.core.management import execute_from_command_line

        django.setup()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
