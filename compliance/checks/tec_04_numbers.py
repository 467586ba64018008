"""TEC-04: all numbers are finite and of a dtype that the engine reads."""

from typing import ClassVar

from compliance.domain.adapter import shown
from compliance.domain.check import PACKAGE, Check, Judgement, shortened
from compliance.domain.policy import PolicyPack
from compliance.domain.results import Finding
from compliance.domain.snapshot import Snapshot, TensorFacts
from registry.domain.packages import WEIGHTS_FILE


class NumbersCheck(Check):
    """F16, BF16 or F32; no NaN, no infinity, nothing at the end of F16's range."""

    id: ClassVar[str] = "TEC-04"
    title: ClassVar[str] = "Finite numbers of an allowed dtype"
    authority: ClassVar[str] = "A non-finite adapter empties its neighbours' answers on a node"
    is_waivable: ClassVar[bool] = False
    tags: ClassVar[frozenset[str]] = frozenset({PACKAGE})

    def judge(self, snapshot: Snapshot, policy: PolicyPack) -> Judgement:
        """Every tensor's counts of bad numbers."""
        package, engine = snapshot["package"], snapshot["engine"]
        weights = package["weights"] if package else None
        if weights is None or weights["error"] is not None:
            return Judgement(
                (
                    self.lacking(
                        f"No number of {WEIGHTS_FILE} could be read.",
                        fix="Mend the file first; TEC-02 and SEC-01 say how.",
                        object=WEIGHTS_FILE,
                    ),
                )
            )
        allowed = engine["allowed_dtypes"]
        findings: list[Finding] = []
        for tensor in weights["tensors"]:
            findings += self._tensor(tensor, allowed, engine["dtype"])
        dtypes = sorted({tensor["dtype"] for tensor in weights["tensors"]})
        findings = shortened(findings)
        if not findings:
            findings.append(
                self.passed(
                    f"{len(weights['tensors'])} tensors ({', '.join(dtypes)}) are finite.",
                    object=WEIGHTS_FILE,
                )
            )
        return Judgement(tuple(findings), {"dtypes": dtypes}, {"allowed_dtypes": sorted(allowed)})

    def _tensor(self, tensor: TensorFacts, allowed: list[str], dtype: str) -> list[Finding]:
        name = shown(tensor["name"], limit=160)
        if tensor["dtype"] not in allowed:
            return [
                self.failed(
                    f"{name} is {tensor['dtype']}; allowed are {', '.join(sorted(allowed))}.",
                    fix="Save the adapter in float32, bfloat16 or float16.",
                    object=name,
                )
            ]
        findings = []
        for count, what in ((tensor["nan"], "NaN"), (tensor["inf"], "infinite numbers")):
            if count:
                findings.append(
                    self.failed(
                        f"{count} {what} in {name}; training diverged.",
                        fix="Use an earlier checkpoint, or train again with a lower rate.",
                        object=name,
                    )
                )
        is_half = tensor["dtype"] == "F16" or dtype == "float16"
        if tensor["overflow"] and is_half:
            findings.append(
                self.failed(
                    f"{tensor['overflow']} numbers in {name} are 65504 or more, the end of F16.",
                    fix="Save the adapter in float32 or bfloat16 and look at its training.",
                    object=name,
                )
            )
        return findings
