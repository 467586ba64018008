"""One evaluation: its sentence, its groups, and the cases that a filter asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.utils.translation import gettext as _

from compliance.models import EvaluationRow, EvaluationRun
from compliance.states import RunState
from config.console.selectors import results
from config.core.errors import Invalid
from registry.models import Version
from registry.selectors import live_version

SIZE = 50
FILTER_NAMES = ("show", "group", "against")
SHOWN = ("wrong", "newly_wrong", "critical")
CRITICAL = "critical"
YES = ("yes", "true", "1")


@dataclass(frozen=True)
class Choice:
    """Another version whose run on the same set this one can be held against."""

    version: Version
    is_live: bool


@dataclass(frozen=True)
class EvaluationPage:
    """``rates`` hold in all and by group, with the compared run beside."""

    run: EvaluationRun
    rates: list[results.Rate]
    choices: list[Choice]
    against: Choice | None
    counts: dict[str, int]
    groups: list[str]
    query: dict[str, str]
    rows: list[EvaluationRow]
    next: str
    first: str

    @property
    def is_over(self) -> bool:
        """Whether nothing moves any more."""
        return self.run.state in {RunState.DONE, RunState.FAILED}

    @property
    def sentence(self) -> str:
        """What came out, or how far it is."""
        return sentence(self.run)

    @property
    def more(self) -> str:
        """How it stands against the other version."""
        if self.against is None or not self.rates:
            return ""
        name = self.against.version.version_name
        counts = {**self.counts, "name": name}
        if not counts["newly_wrong"]:
            return _("No case is wrong that %(name)s had right.") % counts
        return _("%(newly_wrong)s wrong that %(name)s had right, %(newly_right)s the other way "
                 "round.") % counts  # fmt: skip

    @property
    def is_filtered(self) -> bool:
        """Whether a filter leaves cases out."""
        return bool(self.query.get("show") or self.query.get("group"))


def sentence(run: EvaluationRun) -> str:
    """``94 of 100 right, at least 88 % (95 % sure)``, or how far the run is."""
    done = {"done": run.rows_done, "all": run.evaluation_set.items_count, "node": run.node_name}
    if run.state == RunState.DONE:
        return results.rate_of_run(run).words
    if run.state == RunState.FAILED:
        return _("It was given up after %(done)s of %(all)s cases.") % done
    if run.state == RunState.WAITING:
        return _("It waits for a node that holds this version.")
    return _("%(done)s of %(all)s cases are answered on %(node)s.") % done


def evaluation_page(run: EvaluationRun, query: Mapping[str, str]) -> EvaluationPage:
    """Read it all in a fixed number of queries.

    Raises:
        Invalid: a filter names what this set has not.
    """
    query = {name: query[name] for name in (*FILTER_NAMES, "after") if query.get(name)}
    others = _others(run)
    live = live_version(run.version.adapter)
    choices = [
        Choice(other.version, live is not None and other.digest == live.digest) for other in others
    ]
    against, other = _chosen(query.get("against", ""), choices, others)
    found = results.items_of([run, other] if other else [run])
    own = found[run.digest].by_set.get(run.evaluation_set_id, {})
    beside = found[other.digest].by_set.get(run.evaluation_set_id, {}) if other else {}
    groups = sorted({f"{k}: {v}" for item in own.values() for k, v in item.groups.items() if v})
    both = own.keys() & beside.keys()
    counts = {
        "all": len(own),
        "wrong": sum(not item.is_right for item in own.values()),
        "newly_wrong": sum(beside[key].is_right and not own[key].is_right for key in both),
        "newly_right": sum(own[key].is_right and not beside[key].is_right for key in both),
        "critical": sum(str(item.groups.get(CRITICAL, "")) in YES for item in own.values()),
    }
    rows = _filtered(run, other, query, groups)
    after = query.get("after", "")
    if after.isascii() and after.isdigit() and len(after) < 10:
        rows = rows.filter(index__gt=int(after))
    listed = list(rows.order_by("index").defer("answer_encrypted")[: SIZE + 1])
    kept = {name: value for name, value in query.items() if name != "after"}
    return EvaluationPage(
        run=run,
        rates=results.rates(own, beside or None),
        choices=choices,
        against=against,
        counts=counts,
        groups=groups,
        query=query,
        rows=listed[:SIZE],
        next=urlencode({**kept, "after": listed[SIZE - 1].index}) if len(listed) > SIZE else "",
        first=urlencode(kept) if after else "",
    )


def _others(run: EvaluationRun) -> list[EvaluationRun]:
    """The newest done run of each other digest of the adapter on the same set, newest first."""
    rows = (
        EvaluationRun.objects.filter(
            evaluation_set=run.evaluation_set,
            version__adapter=run.version.adapter_id,
            state=RunState.DONE,
        )
        .exclude(digest=run.digest)
        .select_related("version__adapter", "evaluation_set")
        .order_by("-pk")[:200]
    )
    newest: dict[str, EvaluationRun] = {}
    for row in rows:
        newest.setdefault(row.digest, row)
    return list(newest.values())


def _chosen(
    uuid: str, choices: list[Choice], others: list[EvaluationRun]
) -> tuple[Choice | None, EvaluationRun | None]:
    pairs = list(zip(choices, others, strict=True))
    for choice, other in pairs:
        if str(choice.version.uuid) == uuid:
            return choice, other
    if uuid:
        raise Invalid(
            _("The version to compare with has no evaluation on this set."),
            fix=_("Choose one of the list, or evaluate it on this set first."),
        )
    return next(((c, o) for c, o in pairs if c.is_live), (None, None))


def _filtered(
    run: EvaluationRun, other: EvaluationRun | None, query: Mapping[str, str], groups: list[str]
) -> QuerySet[EvaluationRow]:
    rows = EvaluationRow.objects.filter(run=run)
    show = query.get("show", "")
    if show in {"wrong", "newly_wrong"}:
        rows = rows.filter(is_correct=False)
    if show == "newly_wrong":
        had_right = EvaluationRow.objects.filter(
            run=other, item_sha256=OuterRef("item_sha256"), is_correct=True
        )
        rows = rows.filter(Exists(had_right)) if other else rows.none()
    if show == "critical":
        rows = rows.filter(Q(**{f"groups__{CRITICAL}__in": list(YES)}))
    if group := query.get("group", ""):
        if group not in groups:
            raise Invalid(
                _("This set has no such group."), fix=_("Choose one of the list of groups.")
            )
        name, _colon, level = group.partition(": ")
        # A group's name may hold anything, so it can't be written as a lookup.
        rows = rows.annotate(level=KeyTextTransform(name, "groups")).filter(level=level)
    return rows


def run_for_page(uuid: UUID) -> EvaluationRun | None:
    """The run with this uuid and all that its page names."""
    return (
        EvaluationRun.objects.filter(uuid=uuid)
        .select_related(
            "version__adapter__base_model", "evaluation_set", "requested_by__person", "base_model"
        )
        .first()
    )
