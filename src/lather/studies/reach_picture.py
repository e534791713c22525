"""Distances to the nearest bubble, of three kinds of latents, along three kinds of directions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from lather.auditing.theme import Theme, dress, legend
from lather.studies.shells import Reach

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["reach_picture"]

_TITLES = {"all": "all {} coordinates", "signal": "{} signal directions", "random": "{} random directions"}


def reach_picture(theme: Theme, reaches: Mapping[str, Reach]) -> Figure:
    """A panel for each kind of directions."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 3.2), dpi=150, facecolor=theme.paper, layout="constrained")
    panels = figure.subplots(1, len(reaches), squeeze=False)[0]
    for axes, (name, found) in zip(panels, reaches.items(), strict=True):
        dress(axes, theme)
        kinds = (
            (found.own, theme.ink, "a datum's own latent"),
            (found.held_out, theme.data, "a new datum's latent"),
            (found.prior, theme.prior, "a prior draw"),
        )
        every = np.concatenate([values.numpy() for values, _, _ in kinds])
        edges = np.linspace(np.quantile(every, 0.001), np.quantile(every, 0.995), 50 if len(found.prior) > 500 else 25)
        for values, colour, label in kinds:
            axes.hist(values.numpy(), edges, density=True, histtype="step", color=colour, label=label, linewidth=1.4)
        axes.set_yticks([])
        axes.set(xlabel="distance to the nearest centre (radii)", title=_TITLES[name].format(found.k))
        axes.title.set_fontsize(10)
    legend(panels[0], theme)
    panels[0].set_ylim(0, 1.45 * panels[0].get_ylim()[1])
    return figure
