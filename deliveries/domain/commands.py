"""The commands that an administrator names for the cli channel, as the settings hold them."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from deliveries.domain.delivery_targets import COMMAND_NAME


def read_commands(value: Any) -> Mapping[str, Sequence[str]]:
    """Name → argv from JSON such as ``{"echo": ["/usr/bin/tee", "{prompt_file}"]}``.

    Raises:
        ValueError: naming the command that is no list of texts which begins with a full path.
    """
    if not isinstance(value, Mapping):
        raise ValueError("it is no JSON object of name and argument list")
    for name, argv in value.items():
        if not COMMAND_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name: small letters, digits, - and _, at most 40")
        if not isinstance(argv, list) or not argv or not all(isinstance(a, str) for a in argv):
            raise ValueError(f"{name!r} is no list of texts")
        if not PurePosixPath(argv[0]).is_absolute() or any("\x00" in a for a in argv):
            raise ValueError(f"{name!r} must begin with the full path of a program")
    return {name: tuple(argv) for name, argv in value.items()}
