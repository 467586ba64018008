"""TEC-05: the size and the shape of every update are plausible among their like."""

from dataclasses import dataclass
from math import log, sqrt
from statistics import median
from typing import ClassVar

from compliance.domain.adapter import (
    adapter_plans,
    base_shapes,
    module_kind,
    read_adapter,
)
from compliance.domain.check import PACKAGE, Check, Judgement, shortened
from compliance.domain.policy import PolicyPack
from compliance.domain.results import Finding, decimal
from compliance.domain.snapshot import Snapshot
from registry.domain.packages import WEIGHTS_FILE

PEERS_MINIMUM = 5
"""With fewer modules of a kind all modules are compared, each norm relative to its size."""
NORMAL_FACTOR = 0.6745
"""Makes a MAD comparable with a standard deviation."""


@dataclass(frozen=True)
class _Update:
    """A module's update: ``norm`` is the Frobenius norm of scale * B @ A.

    ``plain``: the norm without scale and rank; ``rank``: the highest that B @ A can have;
    ``side``: root of out * in; ``gain``: how much it amplifies an input, in the mean.
    """

    module: str
    norm: float
    plain: float
    stable_rank: float
    rank: int
    side: float
    gain: float
    is_scale_usual: bool


class UpdateNormsCheck(Check):
    """Robust z of the log norms by module kind; all zero blocks, some zero warns."""

    id: ClassVar[str] = "TEC-05"
    version: ClassVar[str] = "2"
    title: ClassVar[str] = "Update norms plausible"
    authority: ClassVar[str] = "ISO 14971 7.3; outliers against the adapter's own modules"
    tags: ClassVar[frozenset[str]] = frozenset({PACKAGE})

    def judge(self, snapshot: Snapshot, policy: PolicyPack) -> Judgement:
        """Outliers, zero updates and updates of one direction only."""
        package, base = snapshot["package"], snapshot["base"]
        plans = adapter_plans(read_adapter(package), base)
        weights = package["weights"] if package else None
        if not plans or weights is None or weights["error"] is not None or base is None:
            return Judgement((self._unmeasured("The updates could not be computed."),))
        shapes, updates, zero, unread = base_shapes(base), [], [], []
        for facts in weights["updates"]:
            plan = plans.get(facts["module"])
            if plan is None:
                continue
            norm, rank = facts["norm"], facts["stable_rank"]
            if norm is None or rank is None:
                unread.append(facts["module"])
            elif float(norm) == 0:
                zero.append(facts["module"])
            else:
                out, inn = shapes[plan.module]
                size = float(norm) * plan.scale
                updates.append(
                    _Update(
                        plan.module,
                        size,
                        float(norm) / sqrt(plan.rank),
                        float(rank),
                        min(plan.rank, out, inn),
                        sqrt(out * inn),
                        size / sqrt(out),
                        policy.scale_low <= plan.scale <= policy.scale_high,
                    )
                )
        findings = self._zeros(zero, len(updates) + len(unread))
        if unread or not (updates or zero):
            findings.append(
                self._unmeasured(f"{len(unread)} updates hold numbers that are not finite.")
            )
        findings += self._outliers(updates, policy)
        findings += self._large(updates, policy) + self._growth(snapshot, updates, policy)
        total = sqrt(sum(update.norm**2 for update in updates))
        if not findings:
            findings.append(
                self.passed(
                    f"{len(updates)} updates are of a size with their like.", object=WEIGHTS_FILE
                )
            )
        return Judgement(
            tuple(findings),
            {
                "modules": len(updates) + len(zero),
                "zero_modules": len(zero),
                "total_norm": f"{total:.4g}",
                "median_norm": f"{median([u.norm for u in updates] or [0.0]):.4g}",
            },
            {
                "z_warn": decimal(policy.norm_z_warn),
                "z_block": decimal(policy.norm_z_block),
                "mad_floor": decimal(policy.norm_mad_floor),
            },
        )

    def _unmeasured(self, message: str) -> Finding:
        return self.lacking(
            message,
            fix="Mend configuration and weights first; TEC-01, TEC-02 and TEC-04 say how.",
            object=WEIGHTS_FILE,
        )

    def _zeros(self, zero: list[str], others: int) -> list[Finding]:
        if not zero:
            return []
        if not others:
            return [
                self.failed(
                    f"All {len(zero)} updates are zero: the adapter does nothing.",
                    fix="Upload the trained weights; this looks like an untrained adapter.",
                    object=WEIGHTS_FILE,
                )
            ]
        return [
            self.warned(
                f"{len(zero)} of {len(zero) + others} updates are zero, the first is {zero[0]}.",
                fix="Look at the training: were these modules meant to be trained?",
                object=zero[0],
            )
        ]

    def _outliers(self, updates: list[_Update], policy: PolicyPack) -> list[Finding]:
        findings: list[Finding] = []
        for peers, by_size in _peer_groups(updates):
            middle = median(_norm(update, by_size=by_size) for update in peers)
            sizes, shapes = _deviations(peers, policy, by_size=by_size)
            for update, z_size, z_shape in zip(peers, sizes, shapes, strict=True):
                times = f"{_norm(update, by_size=by_size) / middle:.3g}"
                said = (
                    f"The update of {update.module} is {times} times the median of its like "
                    f"(z {z_size:.1f})."
                )
                if abs(z_size) > policy.norm_z_block:
                    fix = "Inspect the training of this module, or sign a deviation."
                    findings.append(self.failed(said, fix=fix, object=update.module))
                elif abs(z_size) > policy.norm_z_warn:
                    fix = "Inspect the training of this module."
                    findings.append(self.warned(said, fix=fix, object=update.module))
                if z_shape < -policy.norm_z_warn:
                    findings.append(
                        self.warned(
                            f"The update of {update.module} has nearly one direction only "
                            f"(stable rank z {z_shape:.1f}), as edits and triggers have.",
                            fix="Ask who trained it whether this module was edited.",
                            object=update.module,
                        )
                    )
        return shortened(sorted(findings, key=lambda f: (not f.is_blocking, f.object)))

    def _large(self, updates: list[_Update], policy: PolicyPack) -> list[Finding]:
        if not updates:
            return []
        most = max(update.gain for update in updates)
        if most < policy.norm_gain_low:
            return [
                self.failed(
                    f"The largest update amplifies its input {most:.3g} times, less than float32 "
                    "can add to a base layer's: the adapter does nothing.",
                    fix="Upload the trained weights, and look at lora_alpha.",
                    object=WEIGHTS_FILE,
                )
            ]
        gain = median(update.gain for update in updates)
        if most > policy.norm_gain_block:
            return [
                self.failed(
                    f"The largest update amplifies its input {most:.3g} times; a base layer's own "
                    "weights do so about once, so nothing of the base is left.",
                    fix="Use an earlier checkpoint, and look at lora_alpha.",
                    object=max(updates, key=lambda update: update.gain).module,
                )
            ]
        if gain <= policy.norm_gain_warn:
            return []
        return [
            self.warned(
                f"The updates amplify their input {gain:.3g} times in the median; a base layer's "
                "own weights do so about once.",
                fix="Look at lora_alpha and at the training: the adapter may drown its base.",
                object=WEIGHTS_FILE,
            )
        ]

    def _growth(
        self, snapshot: Snapshot, updates: list[_Update], policy: PolicyPack
    ) -> list[Finding]:
        replaced = snapshot["replaced"]
        if replaced is None or not replaced["updates"] or not updates:
            return []
        before = {u["module"]: float(u["norm"]) for u in replaced["updates"] if u["norm"]}
        ratios = [u.norm / before[u.module] for u in updates if before.get(u.module)]
        if not ratios or median(ratios) <= policy.norm_growth_warn:
            return []
        return [
            self.warned(
                f"The updates are {median(ratios):.3g} times those of {replaced['version']}.",
                fix="Compare the two trainings before you approve.",
                object=WEIGHTS_FILE,
            )
        ]


def _norm(update: _Update, *, by_size: bool) -> float:
    return update.norm / update.side if by_size else update.norm


def _deviations(
    peers: list[_Update], policy: PolicyPack, *, by_size: bool
) -> tuple[list[float], list[float]]:
    """Robust z of each update's size and of its stable rank among its peers.

    A usual scale and a rank that the configuration states openly explain a large update or a low
    stable rank; only what stands out with and without them counts.
    """
    floor = policy.norm_mad_floor_mixed if by_size else policy.norm_mad_floor
    whole = _robust_z([log(_norm(update, by_size=by_size)) for update in peers], floor)
    plain = _robust_z([log(u.plain / (u.side if by_size else 1.0)) for u in peers], floor)
    sizes = [
        min(z, z_plain, key=abs) if update.is_scale_usual else z
        for update, z, z_plain in zip(peers, whole, plain, strict=True)
    ]
    ranks = _robust_z([log(update.stable_rank) for update in peers], policy.norm_mad_floor)
    shares = _robust_z(
        [log(update.stable_rank / update.rank) for update in peers], policy.norm_mad_floor
    )
    return sizes, [max(both) for both in zip(ranks, shares, strict=True)]


def _peer_groups(updates: list[_Update]) -> list[tuple[list[_Update], bool]]:
    """The groups to compare; True where norms are taken relative to the size of the matrix."""
    kinds: dict[str, list[_Update]] = {}
    for update in updates:
        kinds.setdefault(module_kind(update.module), []).append(update)
    if updates and min(len(group) for group in kinds.values()) < PEERS_MINIMUM:
        return [(updates, True)]
    return [(group, False) for group in kinds.values()]


def _robust_z(values: list[float], floor: float) -> list[float]:
    middle = median(values)
    spread = max(median(abs(value - middle) for value in values), floor)
    return [NORMAL_FACTOR * (value - middle) / spread for value in values]
