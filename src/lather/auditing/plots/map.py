"""Latents in a plane, with the prior's contours and the posteriors of a few data."""

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
from lather.auditing.theme import CLASSES, LIGHT, Theme, blank, legend, literal
from lather.priors.base import Prior

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_map", "latent_map", "map_data"]

_POINTS = 4_000
_BUBBLES = 24
_QUANTILES = (0.5, 0.9, 0.99)


def map_data(
    z: Float[Tensor, "n d"],
    prior: Prior,
    labels: Tensor | None,
    label_names: Sequence[str],
    generator: torch.Generator | None,
    means: Float[Tensor, "n d"] | None = None,
    stds: Float[Tensor, "n d"] | None = None,
) -> PlotData:
    """Latents in a plane: as they are for d = 2, else projected on two orthonormal directions.

    With labels these are the directions along which the classes differ most (leading eigenvectors of the
    covariance of the class means), otherwise those of largest variance. Either way a projection of N(0, I) is
    N(0, I₂). One dimension is drawn against the order of the samples, which means nothing.

    Args:
        z: latents in random order; the first 4000 are kept.
        prior: its draws are projected alike, unless it is N(0, I).
        labels: classes (n,) or ``None``; those below 0 are unknown.
        label_names: names of the classes.
        generator: source of prior draws.
        means, stds: posteriors of the same data; the first 24 become bubbles, ellipses of one standard deviation of
            the projected posterior, ``map_bubbles`` (24, 5): centre, and variances and covariance in the plane.
    """
    n, d = z.shape
    known = labels is not None and bool((labels >= 0).any())
    if d == 1:
        basis, titles = torch.eye(1, dtype=z.dtype), ["z₁", "sample (order means nothing)"]
    elif d == 2:
        basis, titles = torch.eye(2, dtype=z.dtype), ["z₁", "z₂"]
    else:
        basis, titles = _plane(z, labels if known else None)
    points = (z[:_POINTS] @ basis).float()
    if d == 1:
        points = torch.cat([points, torch.linspace(-1, 1, len(points))[:, None]], dim=1)
    arrays: dict[str, NDArray[Any]] = {"map_points": points.numpy()}
    words: dict[str, Any] = {"map_axes": titles, "map_circles": prior.standard and d > 1, "map_count": n}
    if labels is not None and known:
        arrays["map_labels"] = labels[:_POINTS].to(torch.int64).numpy()
        words["map_classes"] = [str(name) for name in label_names]
    if not prior.standard and d > 1:
        draws = prior.sample(affordable(prior.d), generator=generator).detach().cpu().double()
        arrays["map_prior"] = (draws @ basis).float().numpy()
    if means is not None and stds is not None and d > 1:
        variance, centre = stds[:_BUBBLES].square(), means[:_BUBBLES] @ basis
        sides = (variance @ basis.square(), (variance @ basis.prod(1))[:, None])
        arrays["map_bubbles"] = torch.cat([centre, *sides], dim=1).float().numpy()
    return words, arrays


def _plane(z: Tensor, labels: Tensor | None) -> tuple[Tensor, list[str]]:
    centred = z - z.mean(0)
    total = centred.square().sum()
    if labels is not None and len(labels[labels >= 0].unique()) >= 3:
        classes = labels[labels >= 0].unique()
        means = torch.stack([z[labels == c].mean(0) for c in classes])
        vectors = torch.linalg.svd(means - means.mean(0), full_matrices=False).Vh[:2].T
        what = "direction {} in which classes differ most ({:.0%} of all variance)"
    elif len(z) < z.shape[1]:  # the smaller of the two Gram matrices
        vectors = torch.nn.functional.normalize(
            centred.T @ torch.linalg.eigh(centred @ centred.T).eigenvectors[:, [-1, -2]], dim=0
        )
        what = "direction {} of largest variance ({:.0%} of all variance)"
    else:
        vectors = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, [-1, -2]]
        what = "direction {} of largest variance ({:.0%} of all variance)"
    shares = ((centred @ vectors).square().sum(0) / total).tolist()
    return vectors, [what.format(i + 1, share) for i, share in enumerate(shares)]


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

    For d > 2 a projection (see :func:`map_data`). Where points crowd inside a contour or
    leave parts of it empty, prior draws and data do not meet.
    """
    words, arrays = map_data(z.detach().cpu().double(), prior, labels, label_names, generator)
    return draw_map(words, arrays, theme)


def draw_map(words: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], theme: Theme = LIGHT) -> Figure:
    """:func:`latent_map` from the data it is made of."""
    points = arrays["map_points"]
    figure, axes = blank(theme, 5.6, 4.5)
    # laid out by hand: constrained layout loses the labels of a square panel with a legend beside it
    figure.set_layout_engine("none")
    axes.set_position((0.64 / 5.6, 0.56 / 4.5, 3.6 / 5.6, 3.6 / 4.5))
    size = float(np.clip(4000 / len(points), 4, 22))
    labels = arrays.get("map_labels")
    if labels is None:
        look: dict[str, Any] = {"color": theme.data, "alpha": 0.5, "linewidths": 0, "label": "latents"}
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
    if "map_bubbles" in arrays:
        _bubbles(axes, arrays["map_bubbles"], theme)
    axes.set_aspect("equal")
    axes.set(xlabel=words["map_axes"][0], ylabel=words["map_axes"][1], title="Held-out latents and the prior")
    legend(axes, theme, loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.4, markerscale=1.6)
    return figure


def _classes(
    axes: Axes, points: NDArray[Any], labels: NDArray[Any], names: Sequence[str], size: float, theme: Theme
) -> None:
    present = [int(c) for c in np.unique(labels)]
    for i, c in enumerate(present):
        name = "unknown" if c < 0 else literal(names[c]) if c < len(names) else str(c)
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


def _bubbles(axes: Axes, bubbles: NDArray[Any], theme: Theme) -> None:
    """One standard deviation around the mean of each posterior, as the plane shows it."""
    from matplotlib.patches import Ellipse

    for x, y, xx, yy, xy in bubbles.tolist():
        values, vectors = np.linalg.eigh(np.array([[xx, xy], [xy, yy]]))
        width, height = 2 * np.sqrt(np.clip(values, 0, None))
        angle = float(np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0])))
        axes.add_patch(Ellipse((x, y), width, height, angle=angle, fill=False, edgecolor=theme.ink, linewidth=0.9))
    axes.plot([], [], "o", markerfacecolor="none", markeredgecolor=theme.ink, label="posterior\n(±1 sd)")


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
