"""The settings as a process reads them at its start, without ending this one's."""

import importlib
import sys
from typing import Any

PACKAGE = "config.settings"


def settings_read_anew() -> dict[str, Any]:
    """Every name of the settings, read from the environment as it is now."""
    kept = _taken_out()
    try:
        return dict(vars(importlib.import_module(PACKAGE)))
    finally:
        _taken_out()
        sys.modules.update(kept)


def _taken_out() -> dict[str, Any]:
    names = [name for name in sys.modules if name == PACKAGE or name.startswith(f"{PACKAGE}.")]
    return {name: sys.modules.pop(name) for name in names}
