"""The sampling gap: against a measure of mismatch, and against what is drawn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from lather.auditing.theme import CLASSES, Theme, blank, legend
from lather.studies.gaussian_lines import Drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Point", "draw_picture", "scatter_picture"]

_MARKERS = "os^vDPX*<>"


class Point(NamedTuple):
    """One training."""

    label: str
    x: float
    gap: float


def scatter_picture(theme: Theme, points: Sequence[Point], words: str, *, logarithmic: bool) -> Figure:
    """Gap against ``words``; a colour and a mark for each method. Infinite values are drawn at the right edge."""
    figure, axes = blank(theme, 5.6, 4.2)
    known = [point for point in points if not (math.isnan(point.x) or math.isnan(point.gap))]
    largest = max((point.x for point in known if math.isfinite(point.x)), default=1.0)
    for i, label in enumerate(dict.fromkeys(point.label for point in known)):
        own = [point for point in known if point.label == label]
        x = [point.x if math.isfinite(point.x) else 2 * largest for point in own]
        marker = _MARKERS[i % len(_MARKERS)]
        look = {"color": CLASSES[i % len(CLASSES)], "linewidths": 0, "alpha": 0.9}
        axes.scatter(x, [point.gap for point in own], 40, marker=marker, label=label, **look)  # type: ignore[arg-type]
    axes.axhline(0, color=theme.faint, linewidth=0.8)
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        axes.xaxis.set_minor_formatter(lambda x, _: f"{x:g}" if str(x)[0] in "235" else "")
        axes.tick_params(which="minor", labelsize=8.5, colors=theme.faint)
    _gap_axis(axes, [point.gap for point in known])
    axes.set_xlabel(words)
    legend(axes, theme, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def draw_picture(theme: Theme, draws: Sequence[Drawn]) -> Figure:
    """A group of bars for each method, a bar for each prior."""
    names = list(dict.fromkeys(name for one in draws for name in one.gaps))
    figure, axes = blank(theme, 8.5, 3.6)
    width = 0.8 / len(names)
    for j, name in enumerate(names):
        known = [(i, one.gaps[name]) for i, one in enumerate(draws) if name in one.gaps]
        x = [i + (j - (len(names) - 1) / 2) * width for i, _ in known]
        colour = theme.prior if name == "before" else CLASSES[(0, 2, 4, 7, 8, 9)[(j - 1) % 6]]
        label = "the model's own prior" if name == "before" else f"fitted: {name}"
        values, errors = [gap.mean for _, gap in known], [gap.half for _, gap in known]
        axes.bar(x, values, width * 0.92, yerr=errors, color=colour, label=label, ecolor=theme.ink)
    axes.set_xticks(range(len(draws)), [one.label for one in draws])
    axes.axhline(0, color=theme.faint, linewidth=0.8)
    axes.grid(False, axis="x")
    _gap_axis(axes, [gap.mean for one in draws for gap in one.gaps.values()])
    legend(axes, theme)
    return figure


def _gap_axis(axes: Axes, gaps: Sequence[float]) -> None:
    """Linear up to 10, logarithmic beyond, where gaps differ much; they may be negative."""
    axes.set_ylabel("sampling gap (Fréchet)")
    if gaps and max(gaps) > 100:
        axes.set_yscale("symlog", linthresh=10)
        axes.set_ylim(1.3 * min(gaps) if min(gaps) < 0 else -1, 2 * max(gaps))
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
