"""Labels whose number is bounded, whatever is asked for."""

import threading

MAX_NAMES = 200
OTHER = "other"


class BoundedNames:
    """The first ``limit`` names as they are; every later one is ``other``."""

    def __init__(self, limit: int = MAX_NAMES) -> None:
        self._limit = limit
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def of(self, name: str) -> str:
        """The label for a name."""
        if name in self._known:
            return name
        with self._lock:
            if len(self._known) >= self._limit:
                return OTHER
            self._known.add(name)
        return name
