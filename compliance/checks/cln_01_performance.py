"""CLN-01: primary performance, with enough data to say so."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from compliance.domain.check import EVIDENCE, Check, Judgement
from compliance.domain.evaluation import Item, group_table, in_stratum, pooled, stratum_name
from compliance.domain.policy import ClassPolicy, PolicyPack
from compliance.domain.results import Finding, decimal
from compliance.domain.snapshot import FOLDER, LabelSection, Snapshot
from compliance.domain.statistics import items_needed, wilson

BINARY = "binary"


@dataclass(frozen=True)
class _Measure:
    """Right answers among some items against a threshold."""

    name: str
    noun: str
    right: int
    items: int
    threshold: float


class PerformanceCheck(Check):
    """One-sided 95 % Wilson lower bound on all items reaches the class's threshold.

    Each population that the label names and that has enough cases may fail it by itself: when its
    upper bound lies below the threshold, that population is shown to be served badly, however good
    the rest is. (To ask the lower bound of each small group instead would refuse good adapters.)
    """

    id: ClassVar[str] = "CLN-01"
    title: ClassVar[str] = "Primary performance with enough data"
    authority: ClassVar[str] = "GMLP 8; FDA CDS guidance 2026-01; HTI-1 (b)(11)(iv)(B)(7)(i)"
    tags: ClassVar[frozenset[str]] = frozenset({EVIDENCE})

    def judge(self, snapshot: Snapshot, policy: PolicyPack) -> Judgement:
        """The union of the sets first, then each named population."""
        label = snapshot["label"]
        if snapshot["scope"] == FOLDER:
            return Judgement((self._outside(),))
        if label is None:
            return Judgement((self._no_label(),))
        items = list(pooled(snapshot["evaluations"]).values())
        if not items:
            return Judgement((self._no_rows(),))
        limits = policy.of_class(label["safety_class"])
        measures = _measures(items, label, limits)
        findings = [self._union(measure, policy.items_minimum) for measure in measures]
        for stratum in label["strata"]:
            members = in_stratum(items, stratum)
            for measure in _measures(members, label, limits):
                if measure.items >= policy.stratum_minimum:
                    findings += self._stratum(measure, stratum_name(stratum))
        return Judgement(
            tuple(findings),
            {
                "measures": [_values(measure) for measure in measures],
                "groups": group_table(items),
            },
            {
                "safety_class": label["safety_class"],
                "low": {measure.name: decimal(measure.threshold) for measure in measures},
                "items": policy.items_minimum,
                "stratum_items": policy.stratum_minimum,
            },
        )

    def _outside(self) -> Finding:
        return self.not_applicable(
            "Evaluations belong to a registered version; this is a folder.",
            fix="Register the version and evaluate it on a node.",
            object="evaluation",
        )

    def _no_label(self) -> Finding:
        return self.lacking(
            "The version has no label, so its class and population are not known.",
            fix="Fill in the label: purpose, population, limits.",
            object="label",
        )

    def _no_rows(self) -> Finding:
        return self.lacking(
            "The version has not been evaluated.",
            fix="Run the evaluation sets of its policy on a node.",
            object="evaluation",
        )

    def _union(self, measure: _Measure, minimum: int) -> Finding:
        where = f"evaluation:{measure.name}"
        if measure.items < minimum:
            return self.lacking(
                f"Only {measure.items} {measure.noun}, at least {minimum} are needed.",
                fix=f"Evaluate on sets with at least {minimum} {measure.noun}.",
                object=where,
            )
        bounds = wilson(measure.right, measure.items)
        said = (
            f"{measure.name.capitalize()} {measure.right}/{measure.items} = "
            f"{bounds.estimate:.1%}, lower bound {bounds.low:.1%}, needed {measure.threshold:.0%}"
        )
        if bounds.low >= measure.threshold:
            return self.passed(f"{said}.", object=where)
        if bounds.estimate < measure.threshold:
            return self.failed(
                f"{said}.",
                fix="Train a better adapter, or narrow the label to where it is good.",
                object=where,
            )
        needed = items_needed(measure.threshold, Fraction(measure.right, measure.items))
        wanted = f"With this rate you need {needed} {measure.noun}." if needed else ""
        return self.lacking(
            f"{said}: the rate would do, the number of items does not.",
            fix=wanted or "The rate is too close to the threshold to be shown: train a better one.",
            object=where,
        )

    def _stratum(self, measure: _Measure, name: str) -> list[Finding]:
        bounds = wilson(measure.right, measure.items)
        if bounds.high >= measure.threshold:
            return []
        return [
            self.failed(
                f"For {name} the {measure.name} is {measure.right}/{measure.items} = "
                f"{bounds.estimate:.1%}; even its upper bound {bounds.high:.1%} is below "
                f"{measure.threshold:.0%}.",
                fix=f"Train on data of this population, or take {name} out of the label.",
                object=f"population:{name}",
            )
        ]


def _measures(items: Sequence[Item], label: LabelSection, limits: ClassPolicy) -> list[_Measure]:
    """Accuracy for a task of several classes; sensitivity and specificity for a binary one."""
    positive = label.get("positive_class", "")
    if label["task_kind"] != BINARY or not positive:
        right = sum(item.is_right for item in items)
        return [_Measure("accuracy", "items", right, len(items), limits.accuracy_low)]
    ill = [item for item in items if item.expected == positive]
    well = [item for item in items if item.expected != positive]
    return [
        _Measure(
            "sensitivity",
            "positives",
            sum(item.is_right for item in ill),
            len(ill),
            limits.sensitivity_low,
        ),
        _Measure(
            "specificity",
            "negatives",
            sum(item.is_right for item in well),
            len(well),
            limits.specificity_low,
        ),
    ]


def _values(measure: _Measure) -> dict[str, Any]:
    if not measure.items:
        return {"name": measure.name, "right": 0, "items": 0}
    bounds = wilson(measure.right, measure.items)
    return {
        "name": measure.name,
        "right": measure.right,
        "items": measure.items,
        "estimate": decimal(bounds.estimate),
        "low": decimal(bounds.low),
        "high": decimal(bounds.high),
    }
