"""The worst slice in full: quantiles of latents along one direction against the prior's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from lather.auditing.inputs import affordable
from lather.auditing.plots.arrays import PlotData
from lather.auditing.theme import LIGHT, Theme, dress
from lather.priors.base import Prior

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_qq", "qq_data", "simultaneous_band", "worst_of"]

_POINTS = 81
_MOST = 20_000
_SIMULATED = 2_000


@torch.no_grad()
def qq_data(
    name: str,
    title: str,
    z: Float[Tensor, "n d"],
    direction: Float[Tensor, "d"],
    prior: Prior,
    *,
    chosen_from: int,
    generator: torch.Generator | None = None,
) -> PlotData:
    """Array ``qq_<name>`` (4, m): quantiles of the prior along ``direction``, those of the latents, and the 95% band.

    The band holds, for prior draws, the *whole* curve 95 times in 100, although the direction is the worst of many.

    Args:
        name: of the array.
        title: what the direction is, for the axis.
        z: latents in random order, at most the first 20 000 of which are used.
        direction: a unit vector.
        prior: its quantiles are exact for N(0, I), else those of up to 20 000 draws.
        chosen_from: of how many directions it is the worst.
        generator: source of prior draws, on the prior's device.
    """
    from scipy import special

    z = z[:_MOST]
    n = len(z)
    projected = (z @ direction).sort().values.numpy()
    reach = float(-special.ndtri(0.5 / n))
    ranks = np.unique(np.clip(np.round(n * special.ndtr(np.linspace(-reach, reach, _POINTS)) + 0.5), 1, n).astype(int))
    low, high = simultaneous_band(n, ranks, 1 - 0.95 ** (1 / max(chosen_from, 1)))
    levels = np.stack([(ranks - 0.5) / n, low, high])
    if prior.standard:
        quantiles = special.ndtri(levels)
    else:
        draws = prior.sample(affordable(prior.d), generator=generator).detach().cpu().double() @ direction
        quantiles = np.quantile(draws.numpy(), levels)
    found = np.stack([quantiles[0], projected[ranks - 1], quantiles[1], quantiles[2]])
    return {f"qq_{name}": title}, {f"qq_{name}": found}


def simultaneous_band(n: int, ranks: NDArray[np.int_], level: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Where order statistics of n uniforms lie *together* with probability 1 − ``level``: lower and upper ends.

    U_(i) ~ Beta(i, n + 1 − i); each end is its quantile at η/2 or 1 − η/2, with one η for all ranks ("equal local
    levels"). η is the 5% quantile, over 2000 simulated samples, of the smallest two-sided p-value of any rank; for
    other levels it is scaled in proportion, which errs on the wide side.

    Args:
        n: sample size.
        ranks: increasing, from 1 to n.
        level: probability of leaving the band anywhere.

    Example:
        >>> low, high = simultaneous_band(100, np.array([1, 50, 100]), 0.05)
        >>> bool((low < np.array([1, 50, 100]) / 101).all() and (high > np.array([1, 50, 100]) / 101).all())
        True
    """
    from scipy import stats

    noise = np.random.default_rng(0)  # the band is a number, not a draw: always the same
    steps = np.diff(np.concatenate([[0], ranks, [n + 1]]))
    sums = noise.standard_gamma(steps, size=(_SIMULATED, len(steps))).cumsum(axis=1)
    uniform = sums[:, :-1] / sums[:, -1:]
    below = stats.beta.cdf(uniform, ranks, n + 1 - ranks)
    smallest = 2 * np.minimum(below, 1 - below).min(axis=1)
    local = float(np.quantile(smallest, 0.05)) * min(level / 0.05, 1.0)
    return stats.beta.ppf(local / 2, ranks, n + 1 - ranks), stats.beta.isf(local / 2, ranks, n + 1 - ranks)


def draw_qq(curves: Sequence[tuple[str, NDArray[Any]]], theme: Theme = LIGHT) -> Figure:
    """One panel for each direction: the latents' quantiles against the prior's, the diagonal, and the band.

    Args:
        curves: title and array (4, m) of each.
        theme: colours.
    """
    from matplotlib.figure import Figure

    width = 2.75 * len(curves) + 0.2
    figure = Figure(figsize=(width, 3.6), dpi=150, facecolor=theme.paper, layout="constrained")
    for axes, (title, (expected, found, low, high)) in zip(
        figure.subplots(1, len(curves), squeeze=False)[0], curves, strict=True
    ):
        dress(axes, theme)
        ends = [float(min(expected[0], found[0])), float(max(expected[-1], found[-1]))]
        axes.fill_between(expected, low, high, color=theme.prior, alpha=0.22, linewidth=0, label="95% of prior samples")
        axes.plot(ends, ends, color=theme.prior, linewidth=1.2, label="equal")
        axes.title.set_fontsize(9.5)
        axes.plot(expected, found, "o", color=theme.data, markersize=3, label="latents")
        axes.set(xlabel="quantile of the prior", ylabel="quantile of the latents", title=title)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside lower center", ncols=3, frameon=False, fontsize=8.5, labelcolor=theme.ink
    )
    return figure


def worst_of(words: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, NDArray[Any]]]:
    """The panels that a report has."""
    keys = [key for key in ("qq_axis", "qq_signal") if key in arrays and key in words]
    return [(str(words[key]), arrays[key]) for key in keys]
