"""The Hermite ladder as bars: how far mean, spread, lopsidedness and tails lie beyond the noise of prior draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lather.auditing.row import Row
from lather.auditing.theme import LIGHT, Theme, blank, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ladder_bars"]


def ladder_bars(rows: Sequence[Row], theme: Theme = LIGHT) -> Figure | None:
    """How many null standard deviations each rung of the ladder lies above 0; ``None`` if none was computed.

    The axis is linear up to the noise floor and logarithmic beyond.
    """
    rungs = [row for row in rows if row.key.startswith("ladder_") and row.computed]
    if not rungs:
        return None
    from matplotlib.ticker import FuncFormatter

    figure, axes = blank(theme, 5.2, 3.3)
    z = [row.z or 0.0 for row in rungs]
    places = np.arange(len(rungs))[::-1]
    axes.barh(places, z, height=0.55, color=[theme.verdict(row.verdict) for row in rungs])
    floor = [(row.null or 0.0) * (row.z / row.effect) if row.z and row.effect else 1.645 for row in rungs]
    left = min(-3.0, min(z) * 1.2)
    axes.axvspan(left, float(np.mean(floor)), color=theme.grid, zorder=0, label="noise of prior draws (95%)")
    axes.axvline(float(np.mean(floor)), color=theme.faint, linewidth=1, linestyle="--")
    axes.set_xscale("symlog", linthresh=3)
    axes.set_xlim(left, max(15.0, max(z) * 12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    for place, row in zip(places, rungs, strict=True):
        side = max(row.z or 0.0, 0.0)
        words = f"n* {row.n_star:short}, {row.verdict}" if row.n_star else row.verdict
        where = max(side * 1.25, float(np.mean(floor)) * 1.15)
        axes.text(where, place, words, va="center", fontsize=8.5, color=theme.ink)
    axes.set_yticks(places, [f"{row.key[-1]}  {row.title}" for row in rungs], fontsize=9, color=theme.ink)
    axes.set(xlabel="standard deviations of the noise (logarithmic)", title="Difference from the prior")
    axes.grid(False, axis="y")
    legend(axes, theme, loc="upper center", bbox_to_anchor=(0.5, -0.22))
    return figure
