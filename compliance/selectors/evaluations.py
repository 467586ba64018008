"""Reads of evaluation sets, runs and results."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Max, QuerySet

from compliance.domain.evaluation import Item, paired, pooled
from compliance.domain.statistics import mcnemar_exact, newcombe_paired, wilson
from compliance.models import EvaluationRun, EvaluationSet
from compliance.selectors.refs import parse_uuid
from compliance.states import RunState
from config.core import keys
from config.core.digests import canonical_json, sha256_hex
from config.core.errors import NotFound
from registry.models import Version

ALL = ""


@dataclass(frozen=True)
class SummaryRow:
    """Right answers on a set (``set_name`` empty: on all) in a group (empty: in all).

    ``wilson_low`` and ``wilson_high`` are one-sided 95 % bounds, as shares.
    """

    set_name: str
    set_version: str
    attribute: str
    level: str
    correct: int
    n: int
    wilson_low: float
    wilson_high: float


@dataclass(frozen=True)
class Comparison:
    """Two versions on the same items: ``b`` newly right, ``c`` newly wrong; 95 % interval."""

    b: int
    c: int
    n: int
    difference: float
    low: float
    high: float
    mcnemar_p: float


@dataclass(frozen=True)
class Prompt:
    """One item as a node is asked it; holds patient text, so it is never logged."""

    index: int
    messages: tuple[Mapping[str, str], ...]
    max_tokens: int


def done_runs(version: Version) -> QuerySet[EvaluationRun]:
    """Recorded runs of exactly this digest on its base."""
    return EvaluationRun.objects.filter(
        digest=version.digest,
        base_digest=version.adapter.base_model.digest,
        state=RunState.DONE,
    ).select_related("evaluation_set")


def latest_runs(version: Version) -> list[EvaluationRun]:
    """The last recorded run on each set, in order of the sets."""
    newest = done_runs(version).order_by().values("evaluation_set").annotate(last=Max("pk"))
    pks = [row["last"] for row in newest]
    return list(done_runs(version).filter(pk__in=pks).order_by("evaluation_set_id"))


def set_by_ref(ref: str) -> EvaluationSet:
    """A set by uuid, or by ``name@version_name``.

    Raises:
        NotFound: there is no such set.
    """
    name, _, version_name = ref.partition("@")
    found = EvaluationSet.objects.filter(name=name, version_name=version_name or "1").first()
    if found is None:
        found = EvaluationSet.objects.filter(uuid=parse_uuid(ref)).first()
    if found is None:
        raise NotFound(f"There is no evaluation set {ref}.", fix="List /api/v1/evaluation-sets.")
    return found


def prompts(run: EvaluationRun) -> Iterator[Prompt]:
    """The items of a run that have no row yet, as messages, in order."""
    template = run.evaluation_set.prompt_template
    done = set(run.rows.values_list("index", flat=True))
    for item in run.evaluation_set.items.order_by("index").iterator(200):
        if item.index in done:
            continue
        text = keys.decrypt(bytes(item.text_encrypted))
        messages = tuple(
            {**message, "content": str(message.get("content", "")).replace("{text}", text)}
            for message in template
        )
        yield Prompt(item.index, messages, run.evaluation_set.max_tokens)


def rows_sha256(run: EvaluationRun) -> str:
    """The digest of a run's rows: item, classes and verdict of each; not texts, not times."""
    rows = run.rows.order_by("index").values_list(
        "index", "item_sha256", "expected", "given", "is_correct", "groups"
    )
    return sha256_hex(canonical_json([list(row) for row in rows]))


def evaluation_summary(version: Version) -> list[SummaryRow]:
    """For each set and for all together: in all, then by each group."""
    from compliance.selectors.snapshots import evaluation_of

    summary: list[SummaryRow] = []
    sections = [evaluation_of(run) for run in latest_runs(version)]
    for section in sections:
        summary += _rows(section["set_name"], section["set_version"], pooled([section]).values())
    if len(sections) > 1:
        summary += _rows(ALL, ALL, pooled(sections).values())
    return summary


def _rows(name: str, version_name: str, items: Any) -> list[SummaryRow]:
    groups: dict[tuple[str, str], list[bool]] = {(ALL, ALL): []}
    for item in items:
        groups[ALL, ALL].append(item.is_right)
        for attribute, level in sorted(item.groups.items()):
            if level:
                groups.setdefault((attribute, level), []).append(item.is_right)
    rows = []
    for (attribute, level), rights in groups.items():
        if rights:
            bounds = wilson(sum(rights), len(rights))
            counts = (sum(rights), len(rights), bounds.low, bounds.high)
            rows.append(SummaryRow(name, version_name, attribute, level, *counts))
    return rows


def comparison(candidate: Version, stable: Version) -> Comparison | None:
    """The paired comparison on the items that both answered; None when there are none."""
    from compliance.selectors.snapshots import evaluation_of

    new = pooled([evaluation_of(run) for run in latest_runs(candidate)])
    old = pooled([evaluation_of(run) for run in latest_runs(stable)])
    return compared(old=old, new=new)


def compared(*, old: Mapping[str, Item], new: Mapping[str, Item]) -> Comparison | None:
    """The paired comparison of two sides' items; None where none is on both."""
    counts = paired(old, new)
    if counts.n == 0:
        return None
    bounds = newcombe_paired(counts)
    return Comparison(
        b=counts.gained,
        c=counts.lost,
        n=counts.n,
        difference=bounds.estimate,
        low=bounds.low,
        high=bounds.high,
        mcnemar_p=mcnemar_exact(counts.lost, counts.gained),
    )
