"""By which names an adapter may declare its base, and which of them are paths or addresses."""

import re
from collections.abc import Iterable

_ADDRESS = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*://")
_DRIVE = re.compile(r"^[a-zA-Z]:[\\/]")


def is_address(name: str) -> bool:
    """Whether ``name`` is a URL."""
    return bool(_ADDRESS.match(name))


def is_path(name: str) -> bool:
    """Whether ``name`` can only be a path of a file system, and no ``owner/name`` of a hub."""
    return bool(
        name.startswith(("/", "./", "../", "~", "\\"))
        or _DRIVE.match(name)
        or "\\" in name
        or name.count("/") > 1
    )


def is_name_of(declared: str, names: Iterable[str]) -> bool:
    """Whether ``declared`` is one of a base's registered names.

    Trainers write the path of the folder that they read, so a path counts by its last part; an
    ``owner/name`` has to be equal in full, since another owner's model is another model.
    """
    known = set(names)
    if not declared or is_address(declared):
        return declared in known and bool(declared)
    if declared in known:
        return True
    return is_path(declared) and _last(declared) in {_last(name) for name in known if _folder(name)}


def _folder(name: str) -> bool:
    return is_path(name) or "/" not in name


def _last(path: str) -> str:
    return path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
