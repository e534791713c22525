"""Plots of a report, as matplotlib figures; drawn from the arrays in ``report.npz``, never through pyplot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from lather.auditing.plotdata import map_data, radius_data
from lather.auditing.row import Row
from lather.auditing.theme import CLASSES, LIGHT, Theme, blank, legend
from lather.priors.base import Prior

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["column_match", "draw_map", "draw_radius", "ladder_bars", "latent_map", "radius_histogram"]

_QUANTILES = (0.5, 0.9, 0.99)


def latent_map(
    z: Float[Tensor, "n d"],
    prior: Prior,
    labels: Tensor | None = None,
    *,
    label_names: Sequence[str] = (),
    generator: torch.Generator | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Latents in two dimensions with the contours that hold 50, 90 and 99% of the prior.

    For d > 2 a projection (see :func:`~lather.auditing.plotdata.map_data`). Where points crowd inside a contour or
    leave parts of it empty, prior draws and data do not meet.
    """
    words, arrays = map_data(z.detach().cpu().double(), prior, labels, label_names, generator)
    return draw_map(words, arrays, theme)


def draw_map(words: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], theme: Theme = LIGHT) -> Figure:
    """:func:`latent_map` from the data it is made of."""
    points = arrays["map_points"]
    figure, axes = blank(theme, 6.4, 5.3)
    # laid out by hand: constrained layout loses the labels of a square panel with a legend beside it
    figure.set_layout_engine("none")
    axes.set_position((0.72 / 6.4, 0.62 / 5.3, 4.3 / 6.4, 4.3 / 5.3))
    size = float(np.clip(4000 / len(points), 4, 22))
    labels = arrays.get("map_labels")
    if labels is None:
        look: dict[str, Any] = {"color": theme.data, "alpha": 0.5, "linewidths": 0, "label": "held-out latents"}
        axes.scatter(points[:, 0], points[:, 1], size, **look)
    else:
        _classes(axes, points, labels, words.get("map_classes", []), size, theme)
    # the few farthest points must not shrink the rest to a blot
    shown = np.concatenate([points, arrays.get("map_prior", points[:0])])
    low, high = np.quantile(shown, [0.001, 0.999], axis=0)
    middle = np.zeros(2) if words["map_circles"] else (low + high) / 2
    reach = 1.1 * float(max(np.abs(low - middle).max(), np.abs(high - middle).max(), 3.0 * words["map_circles"]))
    axes.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] - reach, middle[1] + reach))
    if words["map_circles"]:
        _circles(axes, reach, theme)
    elif "map_prior" in arrays:
        _contours(axes, arrays["map_prior"], theme)
    axes.set_aspect("equal")
    axes.set(xlabel=words["map_axes"][0], ylabel=words["map_axes"][1], title="Held-out latents and the prior")
    legend(axes, theme, loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.4, markerscale=1.6)
    return figure


def _classes(
    axes: Axes, points: NDArray[Any], labels: NDArray[Any], names: Sequence[str], size: float, theme: Theme
) -> None:
    present = [int(c) for c in np.unique(labels)]
    for i, c in enumerate(present):
        name = "unknown" if c < 0 else names[c] if c < len(names) else str(c)
        colour = theme.faint if c < 0 else CLASSES[c % len(CLASSES)]
        shown = name if i < 20 else ("…" if i == 20 else None)
        inside = points[labels == c]
        look: dict[str, Any] = {
            "color": colour,
            "alpha": 0.7,
            "linewidths": 0,
            "label": shown,
            "marker": "o" if c < 10 else "^",
        }
        axes.scatter(inside[:, 0], inside[:, 1], size, **look)


def _circles(axes: Axes, reach: float, theme: Theme) -> None:
    """A projection of N(0, I) on a plane is N(0, I₂): a disc of radius √(−2 log(1 − q)) holds the share q."""
    from matplotlib.patches import Circle

    for q in _QUANTILES:
        radius = float(np.sqrt(-2 * np.log(1 - q)))
        axes.add_patch(Circle((0, 0), radius, fill=False, edgecolor=theme.prior, linewidth=1.2))
        if reach < 8 or q == _QUANTILES[-1]:  # farther out the labels would fall on each other
            _tag(axes, radius * np.sqrt(0.5), radius * np.sqrt(0.5), q, theme)
    axes.plot([], [], color=theme.prior, linewidth=1.2, label="prior")


def _contours(axes: Axes, draws: NDArray[Any], theme: Theme) -> None:
    """Smallest regions that hold a share q of the prior's draws, from a smoothed histogram."""
    from scipy.ndimage import gaussian_filter

    counts, x, y = np.histogram2d(draws[:, 0], draws[:, 1], bins=80)
    counts = gaussian_filter(np.pad(counts, 6), 2)
    steps = x[1] - x[0], y[1] - y[0]
    x = x[0] + (np.arange(len(counts)) - 5.5) * steps[0]
    y = y[0] + (np.arange(counts.shape[1]) - 5.5) * steps[1]
    ordered = np.sort(counts.ravel())[::-1]
    shares = np.cumsum(ordered) / ordered.sum()
    levels = {q: float(ordered[np.searchsorted(shares, q)]) for q in _QUANTILES}
    if levels[0.5] < 1.5 * levels[0.9]:  # a flat density: where its inner contours run is noise
        levels = {0.99: levels[0.99]}
    drawn = axes.contour(x, y, counts.T, levels=sorted(levels.values()), colors=theme.prior, linewidths=1.2)
    axes.clabel(drawn, fmt={level: f"{q:.0%}" for q, level in levels.items()}, fontsize=8)
    axes.plot([], [], color=theme.prior, linewidth=1.2, label="prior")


def _tag(axes: Axes, x: float, y: float, q: float, theme: Theme) -> None:
    box = {"facecolor": theme.paper, "edgecolor": "none", "pad": 1.0, "alpha": 0.85}
    axes.text(x, y, f"{q:.0%}", color=theme.prior, fontsize=8, ha="center", va="center", bbox=box)


def radius_histogram(
    z: Float[Tensor, "n d"], prior: Prior, *, generator: torch.Generator | None = None, theme: Theme = LIGHT
) -> Figure:
    """How far latents lie from the origin, against the law of that distance under the prior."""
    return draw_radius(*radius_data(z.detach().cpu().double(), prior, generator), theme)


def draw_radius(words: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], theme: Theme = LIGHT) -> Figure:
    """:func:`radius_histogram` from the data it is made of."""
    norms = arrays["radius"]
    figure, axes = blank(theme)
    low, high = np.quantile(norms, [0.001, 0.999])
    if "radius_grid" in arrays:
        grid = arrays["radius_grid"]
        low, high = min(low, grid[0]), max(high, grid[-1])
    count = int(np.clip(2 * len(norms) ** 0.4, 15, 60))
    bins = np.linspace(low, high, count + 1).tolist() if high > low else 10
    axes.hist(norms, bins=bins, density=True, color=theme.data, alpha=0.45, label="held-out latents")
    if "radius_grid" in arrays:
        axes.plot(arrays["radius_grid"], arrays["radius_density"], color=theme.prior, linewidth=2, label="prior")
    else:
        axes.axvline(words["radius_fixed"], color=theme.prior, linewidth=2, label="prior (all draws)")
    axes.set(xlabel="distance from the origin ‖z‖", ylabel="density (per unit of ‖z‖)", title="Radius of the latents")
    axes.grid(False, axis="x")
    legend(axes, theme)
    return figure


def ladder_bars(rows: Sequence[Row], theme: Theme = LIGHT) -> Figure | None:
    """How many null standard deviations each rung of the ladder lies above 0; ``None`` if none was computed.

    The axis is linear up to the noise floor and logarithmic beyond.
    """
    rungs = [row for row in rows if row.key.startswith("ladder_") and row.computed]
    if not rungs:
        return None
    from matplotlib.ticker import FuncFormatter

    figure, axes = blank(theme, 6.0, 3.1)
    z = [row.z or 0.0 for row in rungs]
    places = np.arange(len(rungs))[::-1]
    axes.barh(places, z, height=0.55, color=[theme.verdict(row.verdict) for row in rungs])
    floor = [(row.null or 0.0) * (row.z / row.effect) if row.z and row.effect else 1.645 for row in rungs]
    left = min(-3.0, min(z) * 1.2)
    axes.axvspan(left, float(np.mean(floor)), color=theme.grid, zorder=0, label="noise of prior draws (95%)")
    axes.axvline(float(np.mean(floor)), color=theme.faint, linewidth=1, linestyle="--")
    axes.set_xscale("symlog", linthresh=3)
    axes.set_xlim(left, max(15.0, max(z) * 4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    for place, row in zip(places, rungs, strict=True):
        side = max(row.z or 0.0, 0.0)
        text = f" n* {row.n_star:short}" if row.n_star else ""
        axes.text(
            max(side * 1.06, float(np.mean(floor)) * 1.1), place, text, va="center", fontsize=8.5, color=theme.ink
        )
    axes.set_yticks(places, [f"{row.key[-1]}  {row.title}" for row in rungs], fontsize=9, color=theme.ink)
    axes.set(xlabel="standard deviations of the noise (logarithmic beyond 3)", title="Difference from the prior")
    axes.grid(False, axis="y")
    legend(axes, theme, loc="upper center", bbox_to_anchor=(0.5, -0.22))
    return figure


def column_match(real: NDArray[Any], generated: NDArray[Any], theme: Theme = LIGHT) -> Figure:
    """For data that are no images: mean and standard deviation of each column, generated against real.

    Args:
        real, generated: (n, f) and (m, f).
    """
    from matplotlib.figure import Figure

    from lather.auditing.theme import dress

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
