"""Data that are no images: mean and spread of each column, generated against real."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lather.auditing.theme import LIGHT, Theme, dress, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["column_match"]


def column_match(real: NDArray[Any], generated: NDArray[Any], theme: Theme = LIGHT) -> Figure:
    """Mean and standard deviation of each column, generated against real, in the units of the data.

    Args:
        real, generated: (n, f) and (m, f).
        theme: colours.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.8), dpi=150, facecolor=theme.paper, layout="constrained")
    pairs = (("mean", real.mean(0), generated.mean(0)), ("standard deviation", real.std(0), generated.std(0)))
    for axes, (name, x, y) in zip(figure.subplots(1, 2), pairs, strict=True):
        dress(axes, theme)
        ends = np.array([min(x.min(), y.min()), max(x.max(), y.max())])
        axes.plot(ends, ends, color=theme.prior, linewidth=1.2, label="equal")
        axes.scatter(x, y, s=18, color=theme.data, alpha=0.7, linewidths=0, label="one column")
        axes.set(xlabel=f"{name}, held-out data", ylabel=f"{name}, generated", title=name.capitalize())
        axes.set_aspect("equal", adjustable="datalim")
        legend(axes, theme)
    return figure
