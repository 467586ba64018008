"""CLN-04: every population that the label names has been evaluated."""

from collections.abc import Sequence
from typing import Any, ClassVar

from compliance.domain.check import EVIDENCE, Check, Judgement
from compliance.domain.evaluation import Item, in_stratum, pooled, stratum_name
from compliance.domain.policy import PolicyPack
from compliance.domain.results import Finding, decimal
from compliance.domain.snapshot import FOLDER, LabelSection, Snapshot, Stratum


class CoverageCheck(Check):
    """Enough cases for each named population, and attributes that are really recorded.

    It blocks in every safety class. The minimum is 20 cases, positives where the task is binary;
    it is a minimum of coverage, below the 35 items that the union needs.
    """

    id: ClassVar[str] = "CLN-04"
    title: ClassVar[str] = "Coverage of the named populations"
    authority: ClassVar[str] = "HTI-1 (B)(4)(iii), (6)(iii); GMLP 3; AI Act Art. 10(3)"
    tags: ClassVar[frozenset[str]] = frozenset({EVIDENCE})

    def judge(self, snapshot: Snapshot, policy: PolicyPack) -> Judgement:
        """Cases by named population, missing attributes, and shares against the stated ones."""
        label = snapshot["label"]
        if snapshot["scope"] == FOLDER:
            return Judgement(
                (
                    self.not_applicable(
                        "Label and evaluations belong to a registered version; this is a folder.",
                        fix="Register the version and fill in its label.",
                        object="label",
                    ),
                )
            )
        if label is None:
            return Judgement(
                (
                    self.lacking(
                        "The version has no label, so nobody knows for whom it is.",
                        fix="Fill in the label: purpose, population, limits.",
                        object="label",
                    ),
                )
            )
        if not label["strata"]:
            return Judgement((self._unnamed(),))
        items = list(pooled(snapshot["evaluations"]).values())
        findings, counted = [], []
        for stratum in label["strata"]:
            cases = _cases(in_stratum(items, stratum), label)
            counted.append(_count(stratum, cases))
            findings += self._cases(stratum, cases, policy) + self._share(
                stratum, cases, _cases(items, label), policy
            )
        attributes = sorted({stratum["attribute"] for stratum in label["strata"]})
        missing = {name: _missing(items, name) for name in attributes}
        for name, share in missing.items():
            if items and share > policy.missing_share_maximum:
                findings.append(
                    self.failed(
                        f"{name} is missing in {share:.0%} of the items, at most "
                        f"{policy.missing_share_maximum:.0%} are allowed.",
                        fix=f"Record {name} for the items of the evaluation set, or narrow the "
                        "label.",
                        object=f"attribute:{name}",
                    )
                )
        if not any(finding.is_blocking for finding in findings):
            names = ", ".join(f"{row['name']} ({row['cases']})" for row in counted)
            findings.insert(
                0, self.passed(f"All named populations are covered: {names}.", object="label")
            )
        return Judgement(
            tuple(findings),
            {
                "populations": counted,
                "missing_share": {name: decimal(share) for name, share in missing.items()},
            },
            {
                "cases": policy.stratum_minimum,
                "missing_share": decimal(policy.missing_share_maximum),
            },
        )

    def _unnamed(self) -> Finding:
        return self.warned(
            "The label names no population by attribute, so nobody can see for whom the results "
            "hold.",
            fix="Name the populations in the label, for example age_group: adult.",
            object="label",
        )

    def _cases(self, stratum: Stratum, cases: Sequence[Item], policy: PolicyPack) -> list[Finding]:
        if len(cases) >= policy.stratum_minimum:
            return []
        name = stratum_name(stratum)
        return [
            self.failed(
                f"Only {len(cases)} cases for {name}, though the label includes them; at least "
                f"{policy.stratum_minimum} are needed. Results there are not shown to be valid.",
                fix=f"Evaluate on a set that holds {name}, or take {name} out of the label.",
                object=f"population:{name}",
            )
        ]

    def _share(
        self, stratum: Stratum, cases: Sequence[Item], of: Sequence[Item], policy: PolicyPack
    ) -> list[Finding]:
        target = float(stratum.get("target_share") or 0)
        if not target or not of or not cases:
            return []
        share, factor = len(cases) / len(of), policy.target_share_factor
        if target / factor <= share <= target * factor:
            return []
        name = stratum_name(stratum)
        return [
            self.warned(
                f"{name} are {share:.0%} of the cases, {target:.0%} of the patients.",
                fix="Evaluate on a set whose shares are nearer to the patients'.",
                object=f"population:{name}",
            )
        ]


def _cases(items: Sequence[Item], label: LabelSection) -> list[Item]:
    positive = label.get("positive_class", "")
    if label["task_kind"] == "binary" and positive:
        return [item for item in items if item.expected == positive]
    return list(items)


def _missing(items: Sequence[Item], attribute: str) -> float:
    if not items:
        return 1.0
    return sum(not item.groups.get(attribute) for item in items) / len(items)


def _count(stratum: Stratum, cases: Sequence[Item]) -> dict[str, Any]:
    return {
        "name": stratum_name(stratum),
        "attribute": stratum["attribute"],
        "level": stratum["level"],
        "cases": len(cases),
    }
