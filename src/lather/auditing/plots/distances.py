"""The law of distances between latents, against the prior's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from lather.auditing.plots.arrays import PlotData
from lather.auditing.theme import LIGHT, Theme, blank, legend
from lather.priors.base import Prior

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["distance_data", "draw_distances"]

_MOST = 1_000  # latents: half a million pairs
_BINS = 80


@torch.no_grad()
def distance_data(z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> PlotData:
    """Densities of ‖z − z'‖ on 80 common bins: of all pairs of 1000 latents, and of two prior draws.

    The prior's are differences of the distribution function of ‖z − z'‖² where it is known, else those of as many
    draws.

    Args:
        z: latents in random order.
        prior: what they are compared with.
        generator: source of prior draws, on the prior's device.
    """
    own = torch.pdist(z[:_MOST]).numpy()
    draws = torch.pdist(prior.sample(min(len(z), _MOST), generator=generator).detach().cpu().double()).numpy()
    low = min(np.quantile(own, 1e-3), np.quantile(draws, 1e-3))
    high = max(np.quantile(own, 0.999), np.quantile(draws, 0.999))
    if not high > low * (1 + 1e-9):
        return {}, {}
    edges = np.linspace(low, high, _BINS + 1)
    law = prior.squared_distance()
    if law is None:
        expected = np.histogram(draws, edges)[0] / len(draws)
    else:
        below = law.cdf(torch.from_numpy(edges**2).to(prior.like)[:, None]).detach().cpu().double().numpy()
        expected = np.diff(below.reshape(len(edges), -1)[:, 0])
    width = np.diff(edges)
    shares = np.histogram(own, edges)[0] / len(own)
    return {"distance_latents": min(len(z), _MOST)}, {
        "distance_edges": edges,
        "distance_density": shares / width,
        "distance_law": expected / width,
    }


def draw_distances(words: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], theme: Theme = LIGHT) -> Figure:
    """Histogram of the distances between held-out latents and the prior's density."""
    figure, axes = blank(theme, 5.2, 3.6)
    edges, middles = arrays["distance_edges"], arrays["distance_edges"][:-1] + np.diff(arrays["distance_edges"]) / 2
    name = f"pairs of {words['distance_latents']} latents"
    axes.stairs(arrays["distance_density"], edges, fill=True, color=theme.data, alpha=0.45, label=name)
    axes.plot(middles, arrays["distance_law"], color=theme.prior, linewidth=2, label="pairs of prior draws")
    axes.set(
        xlabel="distance between two latents ‖z − z′‖",
        ylabel="density (per unit of distance)",
        title="Distances between latents",
    )
    axes.set_ylim(bottom=0)
    axes.grid(False, axis="x")
    legend(axes, theme)
    return figure
