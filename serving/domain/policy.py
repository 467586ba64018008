"""How a deployment wants its rollouts judged, and what it does when something is missing."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from config.core.errors import Invalid

FAILURE_RULES = ("bound", "non_inferior")
REPORT_RULES = ("non_inferior", "watch")
FALLBACKS = ("previous",)
WHEN_AWAY = ("serve", "refuse")
ROUTING_UNITS = ("answer", "unit")
ERRORS_SHOWN = 20
SIGNALS = 2
"""Failures and reports: alpha is split over them (Bonferroni)."""


class PolicyInvalid(Invalid):
    """A deployment's policy has a wrong key or value."""

    code = "policy-invalid"
    title = "The policy of the deployment is not valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentPolicy:
    """Defaults are those of a class A deployment; shares lie between 0 and 1.

    ``stages``: the canary's weights in percent, one after the other. ``alpha``: the chance of a
    wrong rollback over the whole rollout, split over failures and reports; the same alpha bounds a
    wrong promotion. ``failure_rule``: ``bound`` (the candidate's own failure rate is shown to lie
    below ``max_failure_rate``) or ``non_inferior`` (less than ``margin_ratio`` times stable's).
    ``report_rule``: ``non_inferior``, or ``watch`` where an application reports too little to
    promote by. ``least_canary_answers``: what each stage needs whatever the evidence of earlier
    stages says. ``comparison_margin`` and ``first_accuracy_low``: None takes the adapter's safety
    class. ``when_control_is_away``: ``serve`` until the leases end, or ``refuse`` at once.
    ``fallbacks``: what is tried in this order when the stable version is stopped.

    Of blue_green: ``watch_minutes``: how long the old version is kept beside the new one after the
    switch, at least. ``max_report_rate``: the share of reported answers above which the switch is
    taken back; None takes ``margin_ratio`` times stable's. ``promote_undecided``: whether a person
    may promote what the analysis could not decide; None: in class A only.
    """

    stages: tuple[int, ...] = (20, 50)
    alpha: float = 0.05
    failure_rule: str = "bound"
    max_failure_rate: float = 0.05
    report_rule: str = "non_inferior"
    margin_ratio: float = 2.0
    least_canary_answers: int = 20
    max_requests: int = 5000
    max_days: float = 7.0
    comparison_margin: float | None = None
    first_accuracy_low: float | None = None
    when_control_is_away: str = "serve"
    fallbacks: tuple[str, ...] = ("previous",)
    routing_unit: str = "answer"
    watch_minutes: float = 30.0
    max_report_rate: float | None = None
    promote_undecided: bool | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The policy in a deployment's JSON field, with defaults for what it leaves out.

        Raises:
            PolicyInvalid: ``errors`` names each key that is wrong.
        """
        if not isinstance(value, Mapping):
            raise PolicyInvalid(
                "A policy is an object of keys and values.", fix='Write {"stages": [20, 50]}.'
            )
        known = {field.name for field in fields(cls)}
        unknown = sorted(str(key) for key in value if key not in known)
        errors = [
            {"key": key[:60], "message": f"is unknown; known are {', '.join(sorted(known))}"}
            for key in unknown[:ERRORS_SHOWN]
        ]
        values: dict[str, Any] = {}
        for key, rule in _RULES.items():
            if key not in value:
                continue
            given = value[key]
            if isinstance(given, list):
                given = tuple(given)
            message = rule(given)
            if message:
                errors.append({"key": key, "message": message})
            values[key] = given
        if errors:
            first = errors[0]
            raise PolicyInvalid(
                f"policy: {first['key']} {first['message']}.",
                fix="Mend the keys in errors; what is left out gets its default.",
                errors=errors,
            )
        return cls(**values)

    @property
    def signal_alpha(self) -> float:
        """The alpha of one signal."""
        return self.alpha / SIGNALS

    def as_json(self) -> dict[str, Any]:
        """All values, as a deployment stores and shows them."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {key: list(val) if isinstance(val, tuple) else val for key, val in found.items()}


def report_limit(policy: DeploymentPolicy, *, stable_rate: float) -> float:
    """The share of reported answers above which a switch to 100 % is taken back.

    ``stable_rate``: the share of stable's newest answers that were reported.
    """
    if policy.max_report_rate is not None:
        return policy.max_report_rate
    return min(0.9, max(policy.max_failure_rate, policy.margin_ratio * stable_rate))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _between(low: float, high: float, *, may_be_none: bool = False) -> Any:
    def check(value: Any) -> str:
        if value is None and may_be_none:
            return ""
        is_good = _is_number(value) and low < value < high
        return "" if is_good else f"should be a number above {low:g} and below {high:g}"

    return check


def _whole(low: int, high: int) -> Any:
    def check(value: Any) -> str:
        is_good = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return "" if is_good else f"should be a whole number from {low} to {high}"

    return check


def _yes_or_no(value: Any) -> str:
    is_good = value is None or isinstance(value, bool)
    return "" if is_good else "should be true, false or null"


def _one_of(*choices: str) -> Any:
    return lambda value: "" if value in choices else f"should be one of {', '.join(choices)}"


def _some_of(*choices: str) -> Any:
    def check(value: Any) -> str:
        is_good = (
            isinstance(value, tuple)
            and all(item in choices for item in value)
            and len(set(value)) == len(value)
        )
        return "" if is_good else f"should be a list of {', '.join(choices)}, each at most once"

    return check


def _stages(value: Any) -> str:
    is_good = (
        isinstance(value, tuple)
        and 0 < len(value) <= 10
        and all(isinstance(w, int) and not isinstance(w, bool) and 0 < w < 100 for w in value)
        and list(value) == sorted(set(value))
    )
    return "" if is_good else "should be growing whole percentages from 1 to 99, at most ten"


_RULES: Mapping[str, Any] = {
    "stages": _stages,
    "alpha": _between(0, 0.5),
    "failure_rule": _one_of(*FAILURE_RULES),
    "max_failure_rate": _between(0, 1),
    "report_rule": _one_of(*REPORT_RULES),
    "margin_ratio": _between(1, 20),
    "least_canary_answers": _whole(1, 100_000),
    "max_requests": _whole(1, 10_000_000),
    "max_days": _between(0, 366),
    "comparison_margin": _between(0, 1, may_be_none=True),
    "first_accuracy_low": _between(0, 1, may_be_none=True),
    "when_control_is_away": _one_of(*WHEN_AWAY),
    "fallbacks": _some_of(*FALLBACKS),
    "routing_unit": _one_of(*ROUTING_UNITS),
    "watch_minutes": _between(0, 10_081),
    "max_report_rate": _between(0, 1, may_be_none=True),
    "promote_undecided": _yes_or_no,
}
