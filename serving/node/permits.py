"""What this node may answer with now: leases that run out by its own clock, and stops."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from serving.domain import shown
from serving.node.problems import NoLease, StaleEpoch, Stopped

Purpose = Literal["serve", "evaluate"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class LeaseKey:
    """Which use of which version a lease allows; an *evaluate* lease is bound to one run."""

    name: str
    digest: str
    purpose: Purpose
    run: str | None


class Leases:
    """The permissions this node holds. ``clock``: monotonic seconds; leases need no right time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends_at: dict[LeaseKey, float] = {}

    def grant(self, key: LeaseKey, *, ttl_seconds: float) -> None:
        """Add or renew one lease from now on."""
        self._ends_at = {**self._ends_at, key: self._clock() + ttl_seconds}

    @property
    def clock_seconds(self) -> float:
        """This node's monotonic clock now."""
        return self._clock()

    def replace_all(
        self, leases: Iterable[tuple[LeaseKey, float]], *, counted_from_seconds: float | None = None
    ) -> None:
        """Hold exactly these leases (key, ttl in seconds) from now on.

        ``counted_from_seconds``: a moment of this node's clock, from before the leases were read;
        what was long on its way here ends when it would have ended.
        """
        now = self._clock()
        began = now if counted_from_seconds is None else min(now, counted_from_seconds)
        self._ends_at = {key: began + ttl_seconds for key, ttl_seconds in leases}

    def drop(self, name: str) -> None:
        """Forget every lease of ``name``."""
        self._ends_at = {key: end for key, end in self._ends_at.items() if key.name != name}

    def live(self) -> list[tuple[LeaseKey, float]]:
        """The leases that are alive, with the seconds they have left."""
        now = self._clock()
        return [(key, end - now) for key, end in self._ends_at.items() if end > now]

    def require(self, key: LeaseKey) -> None:
        """Let ``key`` pass only while its lease is alive.

        Raises:
            NoLease: there is none, or it has run out.
        """
        if self._ends_at.get(key, 0.0) <= self._clock():
            raise NoLease(
                f"no live {key.purpose} lease for {shown.name_or(key.name, 'the version')}"
                + (f" and run {shown.name_or(key.run, 'of that id')}" if key.run else ""),
                fix="The control plane renews leases every 20 s: see whether the version is still "
                "approved, and whether this node can be reached.",
            )


class Stops:
    """The digests that may not answer anywhere, and the epoch of that set."""

    def __init__(self) -> None:
        self.epoch = 0
        self.digests: frozenset[str] = frozenset()

    def apply(self, epoch: int, digests: Iterable[str]) -> None:
        """Take over the whole set of ``epoch``; the same epoch again can only add to it.

        Raises:
            StaleEpoch: a newer set is in force.
        """
        if epoch < self.epoch:
            raise StaleEpoch(
                f"epoch {epoch} is older than {self.epoch}", fix="Read the stops anew and resend."
            )
        added = frozenset(digests)
        self.digests = self.digests | added if epoch == self.epoch else added
        self.epoch = epoch

    def require_allowed(self, digest: str) -> None:
        """Raise ``Stopped`` when ``digest`` is stopped."""
        if digest in self.digests:
            raise Stopped(
                f"digest {digest[:12]} is stopped everywhere",
                fix="Ask for another version; a stop is lifted in the console only.",
            )
