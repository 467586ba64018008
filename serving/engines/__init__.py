"""Engines: one class a file behind ``base.Engine``, listed here and imported when asked for."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from serving.engines.errors import EngineRefused

if TYPE_CHECKING:
    from serving.engines.base import Engine


def _memory() -> "type[Engine]":
    from serving.engines.memory import MemoryEngine

    return MemoryEngine


def _torch() -> "type[Engine]":
    from serving.engines.torch_engine import TorchEngine

    return TorchEngine


ENGINES: "dict[str, Callable[[], type[Engine]]]" = {"memory": _memory, "torch": _torch}
"""Name → what imports the class: a process that serves with one engine pays for no other."""


def engine_class(name: str) -> "type[Engine]":
    """The engine class called ``name``; its module (and so torch) is imported only now.

    Raises:
        EngineRefused: there is no such engine.
    """
    if name not in ENGINES:
        raise EngineRefused(
            f"there is no engine {name!r}", fix=f"Choose one of {', '.join(sorted(ENGINES))}."
        )
    return ENGINES[name]()
