"""The radius law: how far latents lie from the origin, against the prior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from lather.auditing.inputs import affordable
from lather.auditing.plots.arrays import PlotData
from lather.auditing.theme import LIGHT, Theme, blank, legend
from lather.priors.base import Prior

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_radius", "radius_data", "radius_histogram"]


def radius_data(z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> PlotData:
    """‖z‖ of the latents, and the density of ‖z‖ under the prior on a grid of 200 radii."""
    norms = z.square().sum(1).sqrt()[:20_000].float().numpy()
    law = prior.squared_radius()
    draws = (
        prior.sample(affordable(prior.d), generator=generator).detach().cpu().double().square().sum(1).sqrt().numpy()
    )
    low, high = float(draws.min()), float(draws.max())
    if high - low < 1e-5 * high:
        return {"radius_fixed": high}, {"radius": norms}
    margin = 0.1 * (high - low)
    grid = np.linspace(max(low - margin, 1e-6 * high), high + margin, 200)
    if law is not None:
        squared = torch.from_numpy(grid**2).to(prior.like)
        density = 2 * grid * law.log_prob(squared).exp().detach().cpu().double().numpy()
    else:
        from scipy.stats import gaussian_kde

        density = gaussian_kde(draws[:5000])(grid)
    return {}, {"radius": norms, "radius_grid": grid, "radius_density": density}


def radius_histogram(
    z: Float[Tensor, "n d"], prior: Prior, *, generator: torch.Generator | None = None, theme: Theme = LIGHT
) -> Figure:
    """How far latents lie from the origin, against the law of that distance under the prior."""
    return draw_radius(*radius_data(z.detach().cpu().double(), prior, generator), theme)


def draw_radius(words: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], theme: Theme = LIGHT) -> Figure:
    """:func:`radius_histogram` from the data it is made of."""
    norms = arrays["radius"]
    figure, axes = blank(theme, 5.2, 3.6)
    low, high = np.quantile(norms, [0.001, 0.999])
    if "radius_grid" in arrays:
        grid = arrays["radius_grid"]
        low, high = min(low, grid[0]), max(high, grid[-1])
    count = int(np.clip(2 * len(norms) ** 0.4, 15, 60))
    bins = np.linspace(low, high, count + 1).tolist() if high > low else 10
    axes.hist(norms, bins=bins, density=True, color=theme.data, alpha=0.45, label="latents")
    if "radius_grid" in arrays:
        axes.plot(arrays["radius_grid"], arrays["radius_density"], color=theme.prior, linewidth=2, label="prior")
    else:
        axes.axvline(words["radius_fixed"], color=theme.prior, linewidth=2, label="prior (all draws)")
    axes.set(xlabel="distance from the origin ‖z‖", ylabel="density (per unit of ‖z‖)", title="Radius of the latents")
    axes.grid(False, axis="x")
    legend(axes, theme)
    return figure
