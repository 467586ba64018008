"""Two versions side by side: configuration, files, weights, results, label and cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from compliance.domain.evaluation import Item, in_stratum, levels
from compliance.selectors import Comparison
from compliance.selectors.evaluations import compared
from compliance.selectors.snapshots import updates_of
from config.console.selectors import results
from config.console.selectors.files import FileLine, file_lines
from config.console.selectors.heat import HeatMap, heat_map
from config.console.selectors.versions import config_changes, label_facts
from registry.models import Version
from registry.selectors import current_label

CHOICES = 200
COST = ("rank", "max_rank", "alpha", "tensors", "parameters", "dtypes", "target_modules")


@dataclass(frozen=True)
class PairedLine:
    """A set or a group: both rates, and the difference on the cases that both answered."""

    name: str
    a: results.Rate | None
    b: results.Rate | None
    difference: Comparison | None
    is_group: bool


@dataclass(frozen=True)
class SetPair:
    """What both did on one set; ``run_a`` and ``run_b`` are uuids for links."""

    name: str
    lines: list[PairedLine]
    run_a: Any
    run_b: Any


@dataclass(frozen=True)
class ComparePage:
    """Everything that the page shows of two versions."""

    a: Version
    b: Version
    notes: list[str]
    config: list[dict[str, Any]]
    label: list[dict[str, Any]]
    files: list[FileLine]
    heat: HeatMap | None
    sets: list[SetPair]
    overall: Comparison | None
    cost: list[dict[str, Any]]

    @property
    def sentence(self) -> str:
        """What differs, in one line."""
        names = {"a": self.a.version_name, "b": self.b.version_name}
        if self.a.digest == self.b.digest:
            return _("These are the same bytes.")
        if self.overall is None:
            return _("No case was answered by both, so nobody can say which is better.")
        counts = {**names, "n": self.overall.n, "b_": self.overall.b, "c_": self.overall.c}
        return (
            _(
                "On the same %(n)s cases %(b)s has %(b_)s right that %(a)s had wrong, and %(c_)s "
                "wrong that %(a)s had right."
            )
            % counts
        )


def compare_page(a: Version, b: Version) -> ComparePage:
    """Read both; the number of queries does not depend on how much there is."""
    runs = results.newest_runs([a, b], states=results.DONE)
    items = results.items_of(run for by_set in runs.values() for run in by_set.values())
    first = items.get(a.digest, results.Items({}))
    second = items.get(b.digest, results.Items({}))
    is_same_base = a.adapter.base_model_id == b.adapter.base_model_id
    found = results.comparison(second, first)
    facts = [{**version.peft_facts, "size": version.size_bytes} for version in (a, b)]
    return ComparePage(
        a=a,
        b=b,
        notes=_notes(a, b),
        config=config_changes(_shown(a.peft_facts), _shown(b.peft_facts)),
        label=config_changes(label_facts(current_label(a)), label_facts(current_label(b))),
        files=file_lines(a, b),
        heat=heat_map(updates_of(a), updates_of(b)) if is_same_base else None,
        sets=_sets(runs.get(a.digest, {}), runs.get(b.digest, {}), first, second),
        overall=found[0] if found else None,
        cost=[
            {"field": name, "a": facts[0].get(name), "b": facts[1].get(name)}
            for name in ("size", *COST)
        ],
    )


def choices() -> list[Version]:
    """The newest versions, for the fields' suggestions."""
    return list(Version.objects.select_related("adapter").order_by("-pk")[:CHOICES])


def _notes(a: Version, b: Version) -> list[str]:
    notes = []
    if a.adapter_id != b.adapter_id:
        notes.append(
            _("These are versions of different adapters: %(a)s and %(b)s. They were made for "
              "different tasks, so their results say little about each other.")
            % {"a": a.adapter.name, "b": b.adapter.name}
        )  # fmt: skip
    if a.adapter.base_model_id != b.adapter.base_model_id:
        notes.append(
            _("They stand on different base models (%(a)s and %(b)s), so their weights can't be "
              "held against each other.")
            % {"a": a.adapter.base_model, "b": b.adapter.base_model}
        )  # fmt: skip
    return notes


def _shown(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name != "problems" or value}


def _sets(
    runs_a: Mapping[int, Any], runs_b: Mapping[int, Any], a: results.Items, b: results.Items
) -> list[SetPair]:
    pairs = []
    for set_id in {*runs_a, *runs_b}:
        of_a, of_b = runs_a.get(set_id), runs_b.get(set_id)
        either = of_a or of_b
        assert either is not None, "the set has a run of one of them"
        pairs.append(
            SetPair(
                str(either.evaluation_set),
                _lines(a.by_set.get(set_id, {}), b.by_set.get(set_id, {})),
                of_a.uuid if of_a else None,
                of_b.uuid if of_b else None,
            )
        )
    return sorted(pairs, key=lambda pair: pair.name)


def _lines(a: Mapping[str, Item], b: Mapping[str, Item]) -> list[PairedLine]:
    lines = [_line(_("All"), dict(a), dict(b), is_group=False)]
    everybody = [*a.values(), *b.values()]
    for stratum in levels(everybody):
        members = [
            {item.item: item for item in in_stratum(side.values(), stratum)} for side in (a, b)
        ]
        if len(members[0]) == len(a) and len(members[1]) == len(b):
            continue  # it would only repeat the line above
        name = f"{str(stratum['attribute']).replace('_', ' ')}: {stratum['level']}"
        lines.append(_line(name, *members, is_group=True))
    return lines


def _line(name: str, a: dict[str, Item], b: dict[str, Item], *, is_group: bool) -> PairedLine:
    rates = [results.rate_of(list(side.values()), name=name, is_group=is_group) for side in (a, b)]
    return PairedLine(name, rates[0], rates[1], compared(old=a, new=b), is_group)
