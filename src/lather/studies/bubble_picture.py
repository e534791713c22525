"""Bubbles and the prior's shell, drawn to scale from measured radii."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing.theme import Theme, dress
from lather.studies.latent_case import LatentCase

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["bubble_circles", "bubble_picture"]

_BUBBLES = 10


def bubble_circles(
    mean: Float[Tensor, "n d"], std: Float[Tensor, "n d"], directions: Float[Tensor, "k d"] | None = None
) -> Float[Tensor, "n 4"]:
    r"""Circles for bubbles: centre (x, y), radius, and the standard deviation of the distance from the centre.

    With V the directions (all coordinates if ``None``), the centre lies at the measured distance ‖V μ_i‖ from the
    origin, the radius is ρ_i = √(tr V diag(σ_i²) Vᵀ), and its thickness follows from Var‖·‖² = 2 Σ_j s_j⁴ as
    √(½ Σ s_j⁴)/ρ_i (s_j² the variances along V; exact for large k, and 0.7 instead of 0.65 at k = 2 for s = 1). Angles
    are those in the plane of the first two principal axes of the V μ_i.
    """
    mean, variance = mean.double(), std.double().square()
    if directions is not None:
        v = directions.double()
        mean, variance = mean @ v.T, variance @ v.square().T
    radius = variance.sum(1).sqrt()
    thick = (0.5 * variance.square().sum(1)).sqrt() / radius
    if mean.shape[1] == 1:
        plane = torch.cat([mean, torch.zeros_like(mean)], 1)
    else:
        axes = torch.linalg.svd(mean - mean.mean(0), full_matrices=False).Vh[:2]
        plane = mean @ axes.T
    unit = plane / plane.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return torch.cat([unit * mean.norm(dim=1, keepdim=True), radius[:, None], thick[:, None]], 1)


def bubble_picture(theme: Theme, cases: Mapping[str, LatentCase]) -> Figure:
    """A column for each latent size: all coordinates above, signal directions below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.3 * len(cases), 6.6), dpi=150, facecolor=theme.paper, layout="constrained")
    panels = figure.subplots(2, len(cases), squeeze=False)
    for column, (label, case) in enumerate(cases.items()):
        for row, directions in enumerate((None, case.directions)):
            k = case.d if directions is None else len(directions)
            circles = bubble_circles(case.mean, case.std, directions)[:_BUBBLES]
            words = f"all {k}" if directions is None else f"{k} signal"
            _panel(panels[row][column], circles, k, f"d = {label}: {words} directions", theme)
    return figure


def _panel(axes: Axes, circles: Tensor, k: int, title: str, theme: Theme) -> None:
    from matplotlib.patches import Annulus, Circle

    dress(axes, theme)
    axes.grid(False)
    shell = math.sqrt(2) * math.exp(math.lgamma((k + 1) / 2) - math.lgamma(k / 2))  # E χ_k
    width = math.sqrt(max(k - shell**2, 1e-12))
    axes.add_patch(
        Annulus((0, 0), shell + width, min(2 * width, shell), color=theme.prior, alpha=0.3, linewidth=0, label="prior")
    )
    axes.add_patch(Circle((0, 0), shell, fill=False, edgecolor=theme.prior, linewidth=1.4))
    for x, y, radius, thick in circles.tolist():
        ring = Annulus((x, y), radius + thick, min(2 * thick, radius), color=theme.data, alpha=0.10, linewidth=0)
        axes.add_patch(ring)
        axes.add_patch(Circle((x, y), radius, fill=False, edgecolor=theme.data, linewidth=0.8))
        axes.plot(x, y, ".", color=theme.data, markersize=3)
    axes.plot(0, 0, "+", color=theme.prior, markersize=7)
    far = float((circles[:, :2].norm(dim=1) + circles[:, 2] + circles[:, 3]).max())
    reach = 1.05 * max(shell + width, far)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.set_title(title, color=theme.ink, fontsize=9.5)
