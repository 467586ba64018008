"""What a gateway may answer with, said again in few words; no module of the product is imported."""

from dataclasses import dataclass, field

POLL_SECONDS = 1.0
REREAD_SECONDS = 3.5
AWAY_SECONDS = 5.0


@dataclass
class Facts:
    """Of one version: the four terms, and its permission's number, renewals and last renewal."""

    is_stopped: bool = False
    permission: int = 0
    renewals: int = 0
    renewed_at: float = 0.0
    is_proven: bool = False
    is_wanted: bool = False

    def copy(self) -> "Facts":
        return Facts(**vars(self))


@dataclass
class Gateway:
    """What it last read, and when each lease that it has seen ends on its own clock."""

    ttl_seconds: float
    seen: dict[str, Facts] = field(default_factory=dict)
    ends_at: dict[str, float] = field(default_factory=dict)
    read_at: float = float("-inf")
    polled_at: float = float("-inf")

    def read(self, truth: dict[str, Facts], *, at: float) -> None:
        """Take everything over; a renewal counts from this read."""
        for name, now in truth.items():
            before = self.seen.get(name)
            if before is None or not before.permission or before.permission != now.permission:
                age = max(0.0, at - now.renewed_at)
                self.ends_at[name] = at + self.ttl_seconds - age
            elif now.renewals > before.renewals:
                self.ends_at[name] = at + self.ttl_seconds
        self.seen = {name: facts.copy() for name, facts in truth.items()}
        self.read_at = at

    def standing(self, name: str, *, at: float) -> str:
        """``routable`` or the first term that is missing."""
        facts = self.seen[name]
        if facts.is_stopped:
            return "stopped"
        if not facts.permission:
            return "not_permitted"
        if at >= self.ends_at[name]:
            return "lease_ended"
        return "routable" if facts.is_proven else "not_proven"
