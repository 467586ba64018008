"""Policy packs: dated, frozen sets of thresholds; none of the numbers comes from a regulation."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class ClassPolicy:
    """Thresholds of one safety class (IEC 62304 A, B or C); shares between 0 and 1.

    ``accuracy_low``, ``sensitivity_low`` and ``specificity_low`` are what the one-sided 95 % lower
    bound has to reach; ``margin`` is how much worse a replacement may be.
    """

    accuracy_low: float
    sensitivity_low: float
    specificity_low: float
    margin: float


@dataclass(frozen=True, kw_only=True)
class PolicyPack:
    """All thresholds under one version; a result names the version that it was judged by."""

    version: str
    classes: Mapping[str, ClassPolicy]
    items_minimum: int = 35
    stratum_minimum: int = 20
    missing_share_maximum: float = 0.20
    target_share_factor: float = 2.0
    evaluation_age_days: int = 180
    scale_low: float = 0.25
    scale_high: float = 8.0
    norm_z_warn: float = 6.0
    norm_z_block: float = 12.0
    norm_mad_floor: float = 0.05
    norm_mad_floor_mixed: float = 0.25
    norm_gain_low: float = 1e-7
    norm_gain_warn: float = 10.0
    norm_gain_block: float = 1000.0
    norm_growth_warn: float = 10.0
    header_maximum_bytes: int = 100_000_000
    metric_codes: tuple[str, ...] = ("exact_match@1",)

    def of_class(self, safety_class: str) -> ClassPolicy:
        """The thresholds of a safety class; one that is not stated is judged as the strictest."""
        return self.classes.get(safety_class, self.classes["C"])


US_2026_02 = PolicyPack(
    version="us-2026-02",
    classes=MappingProxyType(
        {
            "A": ClassPolicy(
                accuracy_low=0.75, sensitivity_low=0.75, specificity_low=0.75, margin=0.05
            ),
            "B": ClassPolicy(
                accuracy_low=0.80, sensitivity_low=0.85, specificity_low=0.80, margin=0.03
            ),
            "C": ClassPolicy(
                accuracy_low=0.85, sensitivity_low=0.90, specificity_low=0.85, margin=0.02
            ),
        }
    ),
)
PACKS: Mapping[str, PolicyPack] = MappingProxyType({US_2026_02.version: US_2026_02})
CURRENT = US_2026_02
