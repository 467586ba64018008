"""Badges, times, digests and numbers as every page shows them."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from config.console import audit_words, charts, words
from config.console.unfold import RECORDS
from config.core import clock
from config.core.digests import SHORT_HEX

register = template.Library()

_STEPS = (("day", 86400), ("hour", 3600), ("minute", 60))


@register.simple_tag
def icon(name: str) -> SafeString:
    """A symbol that screen readers skip; the words beside it say the same."""
    return format_html('<span class="fm-icon" aria-hidden="true">{}</span>', name)


@register.simple_tag
def badge(kind: str, state: str) -> SafeString:
    """A state: icon and word, coloured last."""
    word = words.word(kind, state)
    return chip(word.text, word.icon, word.tone)


@register.simple_tag
def chip(text: str, icon_name: str, tone: str = "quiet") -> SafeString:
    """A short statement with an icon."""
    return format_html(
        '<span class="fm-chip fm-{}"><span class="fm-icon" aria-hidden="true">{}</span>{}</span>',
        tone,
        icon_name,
        text,
    )


def age(moment: datetime, now: datetime) -> str:
    """``just now``, ``5 minutes ago``, ``in 2 hours``; days up to sixty, then the date."""
    seconds = (now - moment).total_seconds()
    size = abs(seconds)
    if size < 45:
        return _("just now")
    for unit, length in _STEPS:
        if size >= length or unit == "minute":
            number = max(1, round(size / length))
            if unit == "day" and number > 60:
                return moment.astimezone(UTC).strftime("%Y-%m-%d")
            said = words.counted(number, unit)
            return (_("%(time)s ago") if seconds > 0 else _("in %(time)s")) % {"time": said}
    return _("just now")


@register.simple_tag
def when(moment: datetime | None) -> SafeString | str:
    """A moment relative to now; exact UTC on hover, where a script adds the local time."""
    if moment is None:
        return _("never")
    exact = moment.astimezone(UTC)
    return format_html(
        '<time class="fm-when" datetime="{}" title="{} UTC">{}'
        '<span class="fm-print"> ({} UTC)</span></time>',
        exact.isoformat(),
        exact.strftime("%Y-%m-%d %H:%M:%S"),
        age(moment, clock.now()),
        exact.strftime("%Y-%m-%d %H:%M:%S"),
    )


@register.simple_tag
def digest(value: str, label: str = "") -> SafeString | str:
    """Twelve characters, the whole on demand, and a button that copies it."""
    return _code(value, SHORT_HEX, label or _("digest"))


@register.simple_tag
def record_hash(value: str) -> SafeString | str:
    """A record's hash: sixteen characters and a button that copies it."""
    return _code(value, 16, _("record hash"))


def _code(value: str, shown: int, label: str) -> SafeString | str:
    if not value:
        return "–"
    return format_html(
        '<span class="fm-digest"><code title="{0}">{1}<span class="fm-print">{2}</span></code>'
        '<button type="button" class="fm-copy" data-copy="{0}" aria-label="{3}">'
        '<span class="fm-icon" aria-hidden="true">content_copy</span></button></span>',
        value,
        value[:shown],
        value[shown:],
        _("Copy the %(label)s %(value)s") % {"label": label, "value": value[:shown]},
    )


@register.filter
def percent(share: Any, digits: int = 0) -> str:
    """A share between 0 and 1 as ``94 %``."""
    if share is None or share == "":
        return "–"
    return f"{float(share) * 100:.{int(digits)}f} %"


@register.filter
def signed_points(share: Any) -> str:
    """A difference of shares as ``+2.1`` percentage points."""
    return f"{float(share) * 100:+.1f}"


@register.filter
def size(number: Any) -> str:
    """Bytes for people: ``1.9 MB``."""
    value = float(number or 0)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return ""


@register.filter
def fact(value: str) -> str:
    """What a fact of a version or of its label is called."""
    return words.FACT.get(value, field_name(value))


@register.filter
def significant(number: Any) -> str:
    """A number with three digits that matter."""
    return f"{float(number):.3g}"


@register.filter
def count(number: Any) -> str:
    """A whole number with its thousands apart; a dash for none."""
    return f"{number:,}" if isinstance(number, int) else "–"


@register.filter
def meaning(value: str) -> str:
    """What a signature says, in words."""
    return words.MEANING.get(str(value), str(value))


@register.filter
def role(value: str) -> str:
    """A role's name."""
    return words.ROLE.get(str(value), str(value))


@register.filter
def backup_reason(value: str) -> str:
    """Why a backup was made."""
    return words.BACKUP_REASON.get(value, value)


@register.filter
def plain(value: Any) -> str:
    """A value of a record or a diff as text."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        return ", ".join(str(item) for item in value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


@register.filter
def strata(population: Iterable[Any]) -> str:
    """A label's population: ``adult and child (age group)``."""
    levels: dict[str, list[str]] = {}
    for item in population or []:
        if isinstance(item, dict):
            attribute = str(item.get("attribute", "")).replace("_", " ")
            levels.setdefault(attribute, []).append(str(item.get("name") or item.get("level")))
    named = [f"{words.listed(names)} ({attribute})" for attribute, names in levels.items()]
    return "; ".join(named) or _("nobody is named")


@register.filter
def lines(population: Iterable[Any]) -> str:
    """A label's population, one ``attribute: level`` a line."""
    return "\n".join(f"{row.get('attribute')}: {row.get('level')}" for row in population or [])


@register.simple_tag
def interval(rate: Any) -> SafeString | str:
    """A rate with its interval as a bar from 0 to 100 %; the words stand beside it."""
    return charts.interval(rate)


@register.simple_tag
def sparkline(answers: list[int], failures: list[int]) -> SafeString | str:
    """Answers by hour with their failed part; the counts stand beside it in words."""
    return charts.sparkline(answers, failures)


@register.simple_tag
def tone(kind: str, state: str) -> str:
    """The colour class of a state."""
    return words.word(kind, state).tone


@register.simple_tag
def state_icon(kind: str, state: str) -> SafeString:
    """The icon of a state alone; its word stands beside it."""
    return icon(words.word(kind, state).icon)


@register.simple_tag
def state_word(kind: str, state: str) -> str:
    """The word of a state alone."""
    return words.word(kind, state).text


@register.filter
def step_name(kind: str) -> str:
    """What a step of a rollout does."""
    return words.STEP_KIND.get(str(kind), str(kind))


@register.filter
def rest(percent_value: int) -> int:
    """What is left of a hundred."""
    return 100 - percent_value


@register.filter
def times(log10: float) -> str:
    """A strength of evidence: ``×3.2``, ``×40``, ``×1,200``."""
    value = 10 ** min(float(log10), 12.0)
    return f"×{value:.2g}" if value < 10 else f"×{value:,.0f}"


@register.simple_tag
def weight_bar(weight_percent: int) -> SafeString:
    """The canary's share of the requests."""
    return charts.share_bar([(weight_percent / 100, "fm-share-used")])


@register.simple_tag
def share_bar(share: float) -> SafeString:
    """A used share as a bar; the words stand beside it."""
    return charts.share_bar([(share, "fm-share-used")])


@register.simple_tag
def evidence_chart(curve: Any) -> SafeString:
    """The evidence between its two limits; the table beside it has the numbers."""
    return charts.corridor(curve)


@register.simple_tag
def latency_chart(traffic: Any) -> SafeString:
    """How long answers took, by hour; the table beside it has the numbers."""
    hours = traffic.hours
    return charts.latency(
        [hour.p50_ms for hour in hours], [hour.p95_ms for hour in hours], traffic.most_ms
    )


@register.simple_tag
def loss_chart(series: list[list[float]], steps: int) -> SafeString | str:
    """The loss of a training over its steps."""
    return charts.loss_curve(series, steps)


@register.filter
def milliseconds(value: Any) -> str:
    """``840 ms``, ``1.9 s``."""
    if value is None:
        return "–"
    return f"{int(value):,} ms" if int(value) < 1000 else f"{int(value) / 1000:.1f} s"


@register.filter
def stylesheets(names: str) -> list[str]:
    """The paths of several of our stylesheets."""
    return [f"console/{name}.css" for name in names.split()]


@register.filter
def record_title(opts: Any) -> str:
    """What the records of a model are called in the navigation."""
    named = RECORDS.get(opts.label_lower)
    return str(named[0]) if named else str(opts.verbose_name_plural).capitalize()


@register.filter
def act(action: str) -> str:
    """An act of the audit trail in words."""
    return audit_words.act(str(action))


@register.simple_tag
def page_of(event: Any) -> str:
    """The path of the page of what an event names, empty where it has none."""
    return audit_words.page_of(event.object_type, event.object_id)


@register.filter
def field_name(value: str) -> str:
    """``version_name`` as ``version name``."""
    return str(value).replace("_", " ").replace(".", " › ")
