"""Evaluation results of several versions at once, by set and by group, with Wilson bounds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from compliance.domain.evaluation import Item, in_stratum, levels, newly_wrong
from compliance.domain.policy import CURRENT
from compliance.domain.snapshot import Stratum
from compliance.domain.statistics import wilson
from compliance.models import EvaluationRow, EvaluationRun
from compliance.selectors import Comparison
from compliance.selectors.evaluations import compared
from compliance.states import RunState
from registry.models import Version


@dataclass(frozen=True)
class Rate:
    """Right answers among ``n``; the bounds hold one-sidedly with 95 %."""

    name: str
    correct: int
    n: int
    low: float
    high: float
    minimum: int
    is_group: bool = False
    live: "Rate | None" = None

    @property
    def share(self) -> float:
        """The share of right answers."""
        return self.correct / self.n if self.n else 0.0

    @property
    def is_enough(self) -> bool:
        """Whether there are enough cases to tell."""
        return self.n >= self.minimum

    @property
    def words(self) -> str:
        """``94 of 100 right, at least 88 % (95 % sure)``, or that it is too few to tell."""
        if not self.is_enough:
            return _(
                "%(correct)s of %(n)s right: too few cases to tell, %(minimum)s are needed"
            ) % {"correct": self.correct, "n": self.n, "minimum": self.minimum}
        return _("%(correct)s of %(n)s right, at least %(value)s %% (95 %% sure)") % {
            "correct": self.correct,
            "n": self.n,
            "value": f"{self.low * 100:.0f}",
        }


@dataclass
class SetResult:
    """What a version did on one set, in all and by group. ``run`` is the newest of any state."""

    name: str
    run: EvaluationRun
    rates: list[Rate] = field(default_factory=list)


@dataclass(frozen=True)
class Items:
    """The outcomes of a version: item hash to item, by the set's id."""

    by_set: dict[int, dict[str, Item]]

    @property
    def pooled(self) -> dict[str, Item]:
        """Each item once, and as wrong if it was wrong in any set."""
        items: dict[str, Item] = {}
        for outcomes in self.by_set.values():
            for key, item in outcomes.items():
                if key not in items or items[key].is_right:
                    items[key] = item
        return items


def newest_runs(
    versions: Iterable[Version], *, states: Sequence[str] = ()
) -> dict[str, dict[int, EvaluationRun]]:
    """Digest to set id to the newest run, of all states or of some; one query."""
    runs = EvaluationRun.objects.filter(
        digest__in={version.digest for version in versions}
    ).select_related("evaluation_set", "requested_by__person")
    if states:
        runs = runs.filter(state__in=states)
    newest: dict[str, dict[int, EvaluationRun]] = {}
    for run in runs.order_by("pk").defer("error"):
        newest.setdefault(run.digest, {})[run.evaluation_set_id] = run
    return newest


def items_of(runs: Iterable[EvaluationRun]) -> dict[str, Items]:
    """Digest to outcomes of done runs; one query."""
    by_pk = {run.pk: run for run in runs}
    found: dict[str, Items] = {run.digest: Items({}) for run in by_pk.values()}
    rows = EvaluationRow.objects.filter(run__in=by_pk).order_by("index")
    for pk, sha256, expected, given, groups in rows.values_list(
        "run_id", "item_sha256", "expected", "given", "groups"
    ):
        run = by_pk[pk]
        outcomes = found[run.digest].by_set.setdefault(run.evaluation_set_id, {})
        outcomes[sha256] = Item(sha256, expected, given, groups)
    return found


def rates(items: dict[str, Item], live: dict[str, Item] | None = None) -> list[Rate]:
    """In all, then for each group; beside each what the live version did on the same group."""
    listed = list(items.values())
    if not listed:
        return []
    beside = list(live.values()) if live else []
    found = [_rate(_("All"), listed, beside, CURRENT.items_minimum, is_group=False)]
    for stratum in levels(listed):
        members = in_stratum(listed, stratum)
        if len(members) == len(listed):
            continue  # it would only repeat the line above
        found.append(
            _rate(
                _name(stratum),
                members,
                in_stratum(beside, stratum),
                CURRENT.stratum_minimum,
                is_group=True,
            )
        )
    return found


def rate_of(items: list[Item], *, name: str, is_group: bool) -> Rate | None:
    """Some items as one rate, against the minimum of a group or of a whole; None without items."""
    minimum = CURRENT.stratum_minimum if is_group else CURRENT.items_minimum
    return _rate(name, items, [], minimum, is_group=is_group) if items else None


def rate_of_run(run: EvaluationRun) -> Rate:
    """A done run in all, from its stored counts."""
    bounds = wilson(run.correct_count, run.rows_done)
    name = str(run.evaluation_set)
    return Rate(
        name, run.correct_count, run.rows_done, bounds.low, bounds.high, CURRENT.items_minimum
    )


def _rate(name: str, items: list[Item], live: list[Item], minimum: int, *, is_group: bool) -> Rate:
    right = sum(item.is_right for item in items)
    bounds = wilson(right, len(items))
    beside = _rate(name, live, [], minimum, is_group=is_group) if live else None
    return Rate(name, right, len(items), bounds.low, bounds.high, minimum, is_group, beside)


def _name(stratum: Stratum) -> str:
    return f"{str(stratum['attribute']).replace('_', ' ')}: {stratum['level']}"


def comparison(candidate: Items, stable: Items) -> tuple[Comparison, int] | None:
    """The paired comparison on common items, and how many are newly wrong; None without any."""
    new, old = candidate.pooled, stable.pooled
    found = compared(old=old, new=new)
    return None if found is None else (found, len(newly_wrong(old, new)))


DONE = (str(RunState.DONE),)
