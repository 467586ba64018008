"""Rows of evaluation runs as the checks count them: pooled over sets, by population, in pairs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from compliance.domain.results import decimal
from compliance.domain.snapshot import EvaluationSection, Stratum
from compliance.domain.statistics import PairedCounts, wilson

METRIC_CODE = "exact_match@1"
"""The metric that is recorded: right when the given class equals the expected one."""


@dataclass(frozen=True)
class Item:
    """An item's outcome; ``given`` is empty when the answer was no class."""

    item: str
    expected: str
    given: str
    groups: Mapping[str, str | None]

    @property
    def is_right(self) -> bool:
        """Whether the class is the expected one; no class is never right."""
        return bool(self.given) and self.given == self.expected


def latest_runs(evaluations: Iterable[EvaluationSection]) -> list[EvaluationSection]:
    """The last run on each set, in order of the sets' names."""
    latest: dict[str, EvaluationSection] = {}
    for run in sorted(evaluations, key=lambda run: (run["finished_at"], run["run"])):
        latest[run["set_sha256"]] = run
    return sorted(latest.values(), key=lambda run: (run["set_name"], run["set_sha256"]))


def pooled(evaluations: Iterable[EvaluationSection]) -> dict[str, Item]:
    """Item hash → outcome over the union of all sets.

    An item that stands in several sets counts once, and as wrong if it was wrong anywhere.
    """
    items: dict[str, Item] = {}
    for run in latest_runs(evaluations):
        for row in run["rows"]:
            item = Item(row["item"], row["expected"], row["given"], row["groups"])
            known = items.get(item.item)
            if known is None or known.is_right:
                items[item.item] = item
    return items


def stratum_name(stratum: Stratum) -> str:
    """How a population is called in messages."""
    return stratum.get("name") or f"{stratum['attribute']}={stratum['level']}"


def in_stratum(items: Iterable[Item], stratum: Stratum) -> list[Item]:
    """The items of a population."""
    return [item for item in items if item.groups.get(stratum["attribute"]) == stratum["level"]]


def levels(items: Iterable[Item]) -> list[Stratum]:
    """All populations that the items show, in order."""
    found = {
        (attribute, level)
        for item in items
        for attribute, level in item.groups.items()
        if level is not None and level != ""
    }
    return [{"attribute": attribute, "level": level} for attribute, level in sorted(found)]


def group_table(items: Sequence[Item]) -> list[dict[str, str | int]]:
    """Right answers by population, with one-sided 95 % Wilson bounds as text."""
    table: list[dict[str, str | int]] = []
    for stratum in levels(items):
        members = in_stratum(items, stratum)
        right = sum(item.is_right for item in members)
        bounds = wilson(right, len(members))
        table.append(
            {
                "attribute": stratum["attribute"],
                "level": stratum["level"],
                "right": right,
                "items": len(members),
                "low": decimal(bounds.low),
                "high": decimal(bounds.high),
            }
        )
    return table


def paired(old: Mapping[str, Item], new: Mapping[str, Item]) -> PairedCounts:
    """Outcomes of the items that both versions answered."""
    both = lost = gained = neither = 0
    for key in old.keys() & new.keys():
        before, after = old[key].is_right, new[key].is_right
        both += before and after
        lost += before and not after
        gained += after and not before
        neither += not before and not after
    return PairedCounts(both, lost, gained, neither)


def newly_wrong(old: Mapping[str, Item], new: Mapping[str, Item]) -> list[str]:
    """Hashes of the items that only the old version had right, in order."""
    return sorted(
        key for key in old.keys() & new.keys() if old[key].is_right and not new[key].is_right
    )
