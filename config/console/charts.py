"""Charts as SVG without script: colours come from the stylesheet, words stand beside them."""

from collections.abc import Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

WIDTH, HEIGHT = 100.0, 100.0


def interval(rate: Any) -> SafeString | str:
    """A share with its bounds on a line from 0 to 100 %; below it the live version's."""
    if not rate.n:
        return ""
    rows = [_interval_row(rate, 9, "is-own")]
    if rate.live and rate.live.n:
        rows.append(_interval_row(rate.live, 21, "is-live"))
    return format_html(
        '<svg class="fm-interval" width="100%" height="{}" aria-hidden="true" focusable="false">'
        "{}</svg>",
        18 if len(rows) == 1 else 30,
        format_html_join("", "{}", ((row,) for row in rows)),
    )


def _interval_row(rate: Any, y: int, kind: str) -> SafeString:
    return format_html(
        '<g class="{}"><line class="fm-axis" x1="0" x2="100%" y1="{y}" y2="{y}"/>'
        '<line class="fm-range" x1="{}%" x2="{}%" y1="{y}" y2="{y}"/>'
        '<circle cx="{}%" cy="{y}" r="4.5"/></g>',
        kind,
        f"{rate.low * 100:.1f}",
        f"{rate.high * 100:.1f}",
        f"{rate.share * 100:.1f}",
        y=y,
    )


def sparkline(answers: Sequence[int], failures: Sequence[int]) -> SafeString | str:
    """Answers by time as bars, the failed part of each on top of it in another colour."""
    top = max(answers, default=0)
    if not top:
        return ""
    step = WIDTH / len(answers)
    bars = []
    for index, (count, failed) in enumerate(zip(answers, failures, strict=True)):
        height = HEIGHT * count / top
        # A single failure among thousands must stay visible, and not look like most of a small bar.
        bad = max(HEIGHT * failed / top, min(8.0, 0.4 * height)) if failed else 0.0
        left = f"{index * step + step * 0.1:.2f}"
        width = f"{step * 0.8:.2f}"
        bars.append(_bar("fm-bar-good", left, width, HEIGHT - height, height))
        if failed:
            bars.append(_bar("fm-bar-bad", left, width, HEIGHT - max(height, bad), bad))
    return format_html(
        '<svg class="fm-spark" viewBox="0 0 100 100" preserveAspectRatio="none" '
        'aria-hidden="true" focusable="false">{}</svg>',
        format_html_join("", "{}", ((bar,) for bar in bars)),
    )


def _bar(kind: str, left: str, width: str, top: float, height: float) -> SafeString:
    return format_html(
        '<rect class="{}" x="{}" width="{}" y="{}" height="{}"/>',
        kind,
        left,
        width,
        f"{top:.2f}",
        f"{height:.2f}",
    )


def latency(p50_ms: Sequence[int | None], p95_ms: Sequence[int | None], most_ms: int) -> SafeString:
    """Two lines over the hours from 0 to ``most_ms``; an hour without answers is a gap."""
    return format_html(
        '<svg class="fm-latency" viewBox="0 0 100 100" preserveAspectRatio="none" '
        'aria-hidden="true" focusable="false">'
        '<line class="fm-mid" x1="0" x2="100" y1="50" y2="50"/>{}{}</svg>',
        _runs(p95_ms, most_ms, "fm-p95"),
        _runs(p50_ms, most_ms, "fm-p50"),
    )


def _runs(values: Sequence[int | None], most: int, kind: str) -> SafeString:
    """A line for each run of neighbouring values; one alone is a short dash."""
    step = WIDTH / max(1, len(values))
    runs: list[list[tuple[float, float]]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            runs.append([])
            continue
        runs[-1].append(((index + 0.5) * step, HEIGHT - (HEIGHT - 4) * value / max(1, most)))
    lines = []
    for run in runs:
        points = run
        if len(run) == 1:
            ((x, y),) = run
            points = [(x - 0.3 * step, y), (x + 0.3 * step, y)]
        if points:
            lines.append((kind, " ".join(f"{x:.2f},{y:.2f}" for x, y in points)))
    return format_html_join("", '<polyline class="{}" points="{}"/>', lines)


def loss_curve(series: Sequence[Sequence[float]], steps: int) -> SafeString | str:
    """A training's mean loss over its steps; from the lowest to the highest that it had."""
    if not series:
        return ""
    low = min(loss for _step, loss in series)
    span = max(loss for _step, loss in series) - low or 1.0
    points = [
        (WIDTH * step / max(1, steps), HEIGHT - 4 - (HEIGHT - 8) * (loss - low) / span)
        for step, loss in series
    ]
    if len(points) == 1:
        points.append((min(WIDTH, points[0][0] + 1.0), points[0][1]))
    return format_html(
        '<svg class="fm-latency" viewBox="0 0 100 100" preserveAspectRatio="none" '
        'aria-hidden="true" focusable="false"><polyline class="fm-p50" points="{}"/></svg>',
        " ".join(f"{x:.2f},{y:.2f}" for x, y in points),
    )


def share_bar(parts: Sequence[tuple[float, str]]) -> SafeString:
    """One bar from 0 to 100 % made of (share, class) parts from the left."""
    left, pieces = 0.0, []
    for share, kind in parts:
        width = max(0.0, min(share, 1.0 - left)) * 100
        pieces.append((kind, f"{left * 100:.2f}", f"{width:.2f}"))
        left += width / 100
    return format_html(
        '<svg class="fm-share" width="100%" height="10" aria-hidden="true" focusable="false">'
        '<rect class="fm-share-rest" width="100%" height="10"/>{}</svg>',
        format_html_join("", '<rect class="{}" x="{}%" width="{}%" height="10"/>', pieces),
    )


def corridor(curve: Any) -> SafeString:
    """Evidence over requests: up means worse, down means good enough; a limit at each edge.

    The curve that decides touches its edge. ``curve`` has ``points`` with ``requests_count``,
    ``log10_worse``, ``log10_safe`` and ``log10_limit``.
    """
    last = curve.points[-1]
    most = max(1, last.requests_count)
    worse = _path(curve.points, most, "log10_worse", direction=-1)
    safe = _path(curve.points, most, "log10_safe", direction=1)
    return format_html(
        '<figure class="fm-corridor"><figcaption class="fm-sr">{}</figcaption>'
        '<p class="fm-edge is-bad">{}</p>'
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true" '
        'focusable="false"><line class="fm-mid" x1="0" x2="100" y1="50" y2="50"/>'
        '<line class="fm-limit is-bad" x1="0" x2="100" y1="4" y2="4"/>'
        '<line class="fm-limit is-good" x1="0" x2="100" y1="96" y2="96"/>'
        '<polyline class="fm-worse" points="{}"/><polyline class="fm-safe" points="{}"/></svg>'
        '<p class="fm-edge is-good">{}</p>'
        '<p class="fm-axis-words"><span>0</span><span>{}</span></p></figure>',
        _("%(title)s: evidence by number of requests") % {"title": curve.title},
        _("worse: roll back"),
        worse,
        safe,
        _("good enough: go on"),
        _("%(count)s requests") % {"count": f"{last.requests_count:,}"},
    )


def _path(points: Sequence[Any], most: int, name: str, *, direction: int) -> str:
    """Points of a line from the middle (no evidence) to an edge (its limit)."""
    drawn = ["0,50"]
    for point in points:
        limit = point.log10_limit or 1.0
        share = max(0.0, min(1.0, getattr(point, name) / limit))
        x = 100.0 * point.requests_count / most
        drawn.append(f"{x:.2f},{50 + direction * 46 * share:.2f}")
    return " ".join(drawn)
