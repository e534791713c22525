"""Histograms of single coordinates, all coordinates of a model together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from lather.auditing.theme import CLASSES, Theme, dress, legend
from lather.studies.latent_case import LatentCase

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["marginal_picture"]

_POINTS = 200_000
_PANELS = (("coordinates of μ", -3.0, 3.0), ("coordinates of σ", 0.0, 1.3), ("one draw for each datum", -4.0, 4.0))


def marginal_picture(theme: Theme, cases: Mapping[str, LatentCase]) -> Figure:
    """μ, σ and draws of held-out posteriors; a line for each latent size, the prior beside the draws."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 3.2), dpi=150, facecolor=theme.paper, layout="constrained")
    panels = figure.subplots(1, 3)
    for which, (axes, (title, low, high)) in enumerate(zip(panels, _PANELS, strict=True)):
        dress(axes, theme)
        edges = np.linspace(low, high, 61)
        for i, (label, case) in enumerate(cases.items()):
            values = case.held_out[which].flatten()[:_POINTS].numpy()
            look = {"color": CLASSES[i % len(CLASSES)], "label": f"d = {label}", "linewidth": 1.3}
            axes.hist(np.clip(values, low, high), edges, density=True, histtype="step", **look)
        axes.set(title=title, xlim=(low, high))
        axes.title.set_fontsize(10)
        axes.set_yticks([])
        if which == 0:
            axes.set_yscale("log")
            axes.set_yticks([])
            axes.minorticks_off()
            axes.set_ylabel("density (logarithmic)")
    grid = np.linspace(-4, 4, 200)
    density = np.exp(-0.5 * grid**2) / np.sqrt(2 * np.pi)
    panels[2].plot(grid, density, color=theme.prior, linestyle="--", linewidth=1.4, label="N(0, 1)")
    panels[2].set_ylim(0, 1.45 * panels[2].get_ylim()[1])
    legend(panels[1], theme, loc="upper left")
    legend(panels[2], theme, loc="upper left", ncols=2)
    return figure
