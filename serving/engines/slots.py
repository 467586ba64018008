"""Which name stands for which slot, who still uses it, and when it may be zeroed."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from serving.engines.base import AdapterState, LoadedAdapter
from serving.engines.errors import AdapterUnknown, NameTaken, SlotsFull


@dataclass(eq=False, slots=True)
class SlotEntry:
    """One published adapter in slot ``slot``; the table alone changes it."""

    name: str
    digest: str
    slot: int
    refs: int = 0
    state: AdapterState = AdapterState.LOADED


class SlotTable:
    """``count`` slots. Publishing replaces the table of names by one assignment.

    ``zero`` overwrites a slot; it runs where nobody uses that slot any more: in ``unload``'s
    thread, or in a thread of its own when the last answer ended later (zeroing in the model's
    thread would hold up the other answers).
    """

    def __init__(self, count: int, *, zero: Callable[[int], None]) -> None:
        self.count = count
        self._zero = zero
        self._changed = threading.Condition()
        self._free = list(range(count))
        self._names: dict[str, SlotEntry] = {}
        self._leaving: list[SlotEntry] = []
        self._loading: set[str] = set()
        self._cleaner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="slot-zero")

    @contextmanager
    def loading(self, name: str, digest: str) -> Iterator[SlotEntry | None]:
        """Hold the right to load ``name``; yields its entry when these bytes are published.

        A second load of the same name waits here and then finds the first one's result.

        Raises:
            NameTaken: the name is published with another digest.
        """
        with self._changed:
            self._changed.wait_for(lambda: name not in self._loading)
            entry = self._names.get(name)
            if entry is not None and entry.digest != digest:
                raise NameTaken(
                    f"{name} is published with digest {entry.digest}, not {digest}",
                    fix="Use a name that holds the digest, or unload the other version first.",
                )
            self._loading.add(name)
        try:
            yield entry
        finally:
            with self._changed:
                self._loading.discard(name)
                self._changed.notify_all()

    def reserve(self) -> int:
        """Take a free slot that holds zeros.

        Raises:
            SlotsFull: there is none.
        """
        with self._changed:
            if not self._free:
                waiting = len(self._leaving)
                raise SlotsFull(
                    f"all {self.count} slots are taken, {waiting} of them wait for their last "
                    "answer",
                    fix="Unload a version that gets no traffic, or start the node with more slots.",
                )
            return self._free.pop(0)

    def give_back(self, slot: int) -> None:
        """Zero and free a reserved slot whose load failed."""
        self._zero(slot)
        with self._changed:
            self._free.append(slot)
            self._changed.notify_all()

    def publish(self, name: str, digest: str, slot: int) -> SlotEntry:
        """Make ``slot`` answer for ``name`` from now on."""
        entry = SlotEntry(name, digest, slot)
        with self._changed:
            self._names = {**self._names, name: entry}
            self._changed.notify_all()
        return entry

    def acquire(self, name: str) -> SlotEntry:
        """Pin the slot behind ``name`` for one answer.

        Raises:
            AdapterUnknown: the name is not published.
        """
        with self._changed:
            entry = self._names.get(name)
            if entry is None:
                raise _unknown(name)
            entry.refs += 1
            return entry

    def release(self, entry: SlotEntry) -> None:
        """Give up one pin; the last one of a dropped name sends its slot to be zeroed."""
        with self._changed:
            entry.refs -= 1
            is_last = entry.refs == 0 and entry.state is AdapterState.UNLOADING
            self._changed.notify_all()
        if is_last:
            self._cleaner.submit(self._retire, entry)

    def unload(self, name: str) -> AdapterState | None:
        """Drop ``name``; see ``Engine.unload``."""
        with self._changed:
            entry = self._names.get(name)
            if entry is None:
                raise _unknown(name)
            self._names = {key: val for key, val in self._names.items() if key != name}
            entry.state = AdapterState.UNLOADING
            self._leaving.append(entry)
            is_used = entry.refs > 0
            self._changed.notify_all()
        if is_used:
            return AdapterState.UNLOADING
        self._retire(entry)
        return None

    def _retire(self, entry: SlotEntry) -> None:
        self._zero(entry.slot)
        with self._changed:
            self._leaving.remove(entry)
            self._free.append(entry.slot)
            self._changed.notify_all()

    def entries(self) -> list[LoadedAdapter]:
        """Every taken slot: published ones first, then those that wait for their last answer."""
        with self._changed:
            found = [*self._names.values(), *self._leaving]
            return [LoadedAdapter(e.name, e.digest, e.state, e.refs) for e in found]

    def wait_until(self, condition: Callable[[], bool], *, timeout_seconds: float) -> bool:
        """Wait for a change of the table that makes ``condition`` true; False when time is up."""
        with self._changed:
            return self._changed.wait_for(condition, timeout=timeout_seconds)

    def close(self) -> None:
        """End the zeroing thread after its last job."""
        self._cleaner.shutdown(wait=True)


def _unknown(name: str) -> AdapterUnknown:
    return AdapterUnknown(
        f"{name} is not loaded on this node", fix="Load it first, or ask another node."
    )
