"""What each latent dimension spends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lather.auditing.theme import LIGHT, Theme, blank, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["kl_bars"]


def kl_bars(nats: Sequence[float], theme: Theme = LIGHT) -> Figure:
    """Mean KL of each dimension in nats, largest first.

    Args:
        nats: KL(q(z_j|x)‖p(z_j)) averaged over data, (d,).
        theme: colours.
    """
    figure, axes = blank(theme, 5.2, 3.5)
    ordered = np.sort(np.asarray(nats, dtype=float))[::-1]
    places = np.arange(1, len(ordered) + 1)
    if len(ordered) <= 64:
        axes.bar(places, ordered, width=0.75, color=theme.data, label="one dimension")
    else:
        edges = np.arange(len(ordered) + 1) + 0.5
        axes.stairs(ordered, edges, fill=True, color=theme.data, label="dimensions")
    mean = float(ordered.mean())
    axes.axhline(mean, color=theme.faint, linewidth=1, linestyle="--", label=f"mean of all ({mean:.2g} nats)")
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(
        xlabel="latent dimension, most informative first",
        ylabel="mean KL to the prior (nats)",
        title="What each dimension spends",
        xlim=(0.4, len(ordered) + 0.6),
    )
    axes.grid(False, axis="x")
    legend(axes, theme)
    return figure
