"""The spectrum of the latents' covariance, beside that of as many prior draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lather.auditing.theme import LIGHT, Theme, blank, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_spectrum"]


def draw_spectrum(
    values: Sequence[float], beside: Sequence[float], d: int, ranks: Sequence[int] = (), theme: Theme = LIGHT
) -> Figure:
    """Variance along the principal directions, largest first, on a logarithmic scale.

    Even the eigenvalues of true prior draws are spread, the more the fewer samples there are for each dimension
    (Marchenko and Pastur's law for N(0, I)); so a prior sample of the same size is the measure.

    Args:
        values: eigenvalues of the latents' covariance, largest first.
        beside: those of as many prior draws.
        d: dimensions.
        ranks: which eigenvalues they are, counted from 1; by default the first ones.
        theme: colours.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = blank(theme, 5.2, 3.5)
    ranks = list(ranks) or list(range(1, len(values) + 1))
    floor = 1e-9 * max(*values, *beside)  # below it are those that are 0, but for rounding
    marker = "o" if len(ranks) <= 64 else None
    for name, found, colour, style in (
        ("prior draws, as many", beside, theme.prior, "--"),
        ("latents", values, theme.data, "-"),
    ):
        kept = [(k, v) for k, v in zip(ranks, found, strict=False) if v > floor]
        x, y = zip(*kept, strict=True)
        axes.plot(x, y, style, color=colour, linewidth=1.8, marker=marker, markersize=3.5, label=name)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high < 10 * low:  # a flat spectrum shall look flat
        middle = float(np.sqrt(low * high))
        axes.set_ylim(middle / 4, middle * 4)
    _plain_ticks(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(
        xlabel=f"principal direction, widest first (of {d})",
        ylabel="variance along it (logarithmic)",
        title="Spectrum of the covariance",
    )
    legend(axes, theme)
    return figure


def _plain_ticks(axes: object) -> None:
    """0.5 and 2 instead of 5 × 10⁻¹, and labels between the powers of ten where there are few of those."""
    from matplotlib.axes import Axes
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    assert isinstance(axes, Axes)
    low, high = axes.get_ylim()
    if high / low < 1e3:
        axes.yaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
