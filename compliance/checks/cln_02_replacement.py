"""CLN-02: not worse than the version that it replaces, on the same items."""

from collections.abc import Mapping
from typing import Any, ClassVar

from compliance.domain.check import EVIDENCE, Check, Judgement
from compliance.domain.evaluation import (
    Item,
    in_stratum,
    levels,
    newly_wrong,
    paired,
    pooled,
    stratum_name,
)
from compliance.domain.policy import PolicyPack
from compliance.domain.results import Finding, decimal
from compliance.domain.snapshot import FOLDER, ReplacedSection, Snapshot
from compliance.domain.statistics import (
    Interval,
    PairedCounts,
    items_needed_paired,
    mcnemar_exact,
    newcombe_paired,
)

NEWLY_WRONG_SHOWN = 200


class ReplacementCheck(Check):
    """Newcombe's lower limit of the paired difference lies above minus the class's margin."""

    id: ClassVar[str] = "CLN-02"
    title: ClassVar[str] = "Not worse than the version it replaces"
    authority: ClassVar[str] = "ISO 13485 7.3.9; PCCP impact assessment"
    tags: ClassVar[frozenset[str]] = frozenset({EVIDENCE})

    def judge(self, snapshot: Snapshot, policy: PolicyPack) -> Judgement:
        """Judged on the union of the sets; populations are shown, and named when worse."""
        replaced, label = snapshot["replaced"], snapshot["label"]
        if snapshot["scope"] == FOLDER or replaced is None:
            return Judgement((self._nothing_replaced(snapshot["scope"]),))
        new, old = pooled(snapshot["evaluations"]), pooled(replaced["evaluations"])
        unpaired = sorted(new.keys() - old.keys())
        margin = policy.of_class(label["safety_class"] if label else "C").margin
        counts = paired(old, new)
        if unpaired or counts.n < policy.items_minimum:
            return Judgement(
                (self._too_few(counts.n, len(unpaired), policy.items_minimum, replaced),)
            )
        bounds = newcombe_paired(counts)
        findings = [self._union(counts, bounds, margin, replaced["version"])]
        left_out = len(old.keys() - new.keys())
        if left_out:
            findings.append(
                self.warned(
                    f"{left_out} items on which {replaced['version']} was evaluated were not given "
                    "to this version.",
                    fix="Evaluate this version on the same sets.",
                    object="evaluation",
                )
            )
        table = []
        for stratum in levels(new.values()):
            members = {item.item for item in in_stratum(new.values(), stratum)}
            row, finding = self._group(
                stratum_name(stratum), _only(old, members), _only(new, members), margin
            )
            table.append(row)
            findings += finding
        return Judgement(
            tuple(findings),
            {
                "replaces": replaced["version"],
                "both": counts.both,
                "lost": counts.lost,
                "gained": counts.gained,
                "neither": counts.neither,
                "difference": decimal(bounds.estimate),
                "low": decimal(bounds.low),
                "high": decimal(bounds.high),
                "mcnemar_p": decimal(mcnemar_exact(counts.lost, counts.gained)),
                "newly_wrong": newly_wrong(old, new)[:NEWLY_WRONG_SHOWN],
                "groups": table,
            },
            {"margin": decimal(margin), "items": policy.items_minimum},
        )

    def _nothing_replaced(self, scope: str) -> Finding:
        if scope == FOLDER:
            return self.not_applicable(
                "A folder replaces no version; the comparison needs the registry.",
                fix="Register the version.",
                object="replaced version",
            )
        return self.not_applicable(
            "There is no version that this one would replace.", object="replaced version"
        )

    def _too_few(self, n: int, unpaired: int, minimum: int, replaced: ReplacedSection) -> Finding:
        return self.lacking(
            f"{n} items were answered by both this version and {replaced['version']}, "
            f"{unpaired} by this version alone; at least {minimum} and all of them are needed.",
            fix=f"Evaluate {replaced['version']} on the same sets.",
            object=replaced["version"],
        )

    def _union(
        self, counts: PairedCounts, bounds: Interval, margin: float, version: str
    ) -> Finding:
        said = (
            f"Against {version} it loses {counts.lost} items that were right and gains "
            f"{counts.gained}; difference {bounds.estimate:+.3f} [{bounds.low:+.3f}, "
            f"{bounds.high:+.3f}] on {counts.n} items, margin {margin:g}, McNemar p "
            f"{mcnemar_exact(counts.lost, counts.gained):.3f}"
        )
        if bounds.low > -margin:
            return self.passed(f"{said}.", object=version)
        if bounds.estimate <= -margin:
            return self.failed(
                f"{said}.",
                fix="Look at the newly wrong items (their hashes are listed) and train again.",
                object=version,
            )
        needed = items_needed_paired(counts, margin)
        wanted = f"about {needed} items" if needed else "many more items"
        return self.lacking(
            f"{said}: too few items to exclude a loss of {margin:g} (even equal answers leave "
            f"{_equal_answers_low(counts):+.3f} here).",
            fix=f"Evaluate both versions on {wanted}.",
            object=version,
        )

    def _group(
        self, name: str, old: Mapping[str, Item], new: Mapping[str, Item], margin: float
    ) -> tuple[dict[str, Any], list[Finding]]:
        counts = paired(old, new)
        bounds = newcombe_paired(counts)
        row = {
            "group": name,
            "items": counts.n,
            "lost": counts.lost,
            "gained": counts.gained,
            "difference": decimal(bounds.estimate),
            "low": decimal(bounds.low),
            "high": decimal(bounds.high),
        }
        if bounds.high >= -margin:
            return row, []
        return row, [
            self.warned(
                f"For {name} it is worse: difference {bounds.estimate:+.3f} [{bounds.low:+.3f}, "
                f"{bounds.high:+.3f}] on {counts.n} items.",
                fix="Look at the newly wrong items of this population before you sign.",
                object=f"population:{name}",
            )
        ]


def _only(items: Mapping[str, Item], keys: set[str]) -> dict[str, Item]:
    return {key: item for key, item in items.items() if key in keys}


def _equal_answers_low(counts: PairedCounts) -> float:
    """Newcombe's lower limit if both versions had answered every item alike."""
    right = counts.both + counts.gained
    return newcombe_paired(PairedCounts(right, 0, 0, counts.n - right)).low
