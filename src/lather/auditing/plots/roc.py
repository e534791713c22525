"""The three-way test and memorisation as curves: how well does the density of training posteriors tell two samples?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from lather.auditing.plots.arrays import PlotData
from lather.auditing.theme import CLASSES, LIGHT, Theme, blank, legend
from lather.auditing.three_way import Scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["curve", "draw_roc", "roc_data"]

_POINTS = 201


def roc_data(found: Scores | None) -> PlotData:
    """Curves (2, 201) of the three-way test and, where training data could be set aside, of memorisation."""
    if found is None:
        return {}, {}
    arrays = {"roc_three_way": curve(found.of_held_out, found.of_prior)}
    if len(found.aside) >= 20:
        arrays["roc_memorisation"] = curve(found.aside, found.held_out)
    return {}, arrays


def curve(positive: Float[Tensor, "m"], negative: Float[Tensor, "n"]) -> NDArray[np.float64]:
    """Share of ``negative`` above a threshold, from 0 to 1, and the share of ``positive`` above the same one, (2, 201).

    The area below is the AUC but for the steps of the grid.

    Example:
        >>> x = torch.arange(1000.0)
        >>> bool(abs(curve(x, x)[0] - curve(x, x)[1]).max() < 0.01)
        True
    """
    ordered = negative.sort(descending=True).values
    ranks = torch.linspace(0, len(ordered), _POINTS).round().long()
    above = positive.sort().values.contiguous()
    thresholds = ordered[(ranks - 1).clamp_min(0)]
    share = 1 - torch.searchsorted(above, thresholds.contiguous()).double() / len(above)
    ties = 1 - torch.searchsorted(above, thresholds.contiguous(), right=True).double() / len(above)
    share = (share + ties) / 2
    share[0], share[-1] = 0.0, 1.0  # above everything, and above nothing
    return np.stack([ranks.double().numpy() / len(ordered), share.numpy()])


def draw_roc(arrays: Mapping[str, NDArray[Any]], areas: Mapping[str, float], theme: Theme = LIGHT) -> Figure:
    """Both curves beside the diagonal of chance.

    Args:
        arrays: those of :func:`roc_data`.
        areas: AUC by key, as in the rows ``three_way`` and ``memorisation``.
        theme: colours.
    """
    figure, axes = blank(theme, 5.2, 4.7)
    axes.plot([0, 1], [0, 1], color=theme.faint, linewidth=1, linestyle="--", label="chance (AUC 0.500)")
    for key, name, colour, style in (
        ("three_way", "first: latents, second: prior draws", theme.data, "-"),
        ("memorisation", "first: training data, second: held-out data", CLASSES[5], "-."),
    ):
        if f"roc_{key}" in arrays:
            area = f" (AUC {areas[key]:.3f})" if key in areas else ""
            axes.plot(*arrays[f"roc_{key}"], color=colour, linestyle=style, linewidth=2, label=name + area)
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="share of the second sample above a threshold",
        ylabel="share of the first sample above it",
        title="How well the score tells two samples apart",
    )
    axes.set_aspect("equal")
    legend(axes, theme, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    return figure
