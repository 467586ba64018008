"""Engines: one class a file behind ``base.Engine``, listed here and imported when asked for."""

from importlib import import_module
from typing import TYPE_CHECKING

from serving.engines.errors import EngineRefused

if TYPE_CHECKING:
    from serving.engines.base import Engine

ENGINES = {
    "memory": "serving.engines.memory.MemoryEngine",
    "torch": "serving.engines.torch_engine.TorchEngine",
}


def engine_class(name: str) -> "type[Engine]":
    """The engine class called ``name``; its module (and so torch) is imported only now.

    Raises:
        EngineRefused: there is no such engine.
    """
    if name not in ENGINES:
        raise EngineRefused(
            f"there is no engine {name!r}", fix=f"Choose one of {', '.join(sorted(ENGINES))}."
        )
    module, _, attribute = ENGINES[name].rpartition(".")
    found: type[Engine] = getattr(import_module(module), attribute)
    return found
