"""Before and after: what is generated, and where draws fall among held-out latents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lather.auditing.gap import decoded
from lather.auditing.grids import image_grid
from lather.auditing.theme import LIGHT, Theme, dress, legend
from lather.repairing.material import Material
from lather.repairing.result import Repair
from lather.train.seeds import seed_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["before_after"]

_STREAM = 11  # of random numbers
_SHOWN = 64
_POINTS = 1_500


@torch.no_grad()
def before_after(repair: Repair, theme: Theme = LIGHT) -> Figure:
    """Two columns, before and after: decoded draws (for pictures), and draws among held-out latents in a plane.

    The plane is that of the two directions in which held-out latents vary most; for d = 2 it is the latent space
    itself. No
    sample is picked: the draws are those of the seed.
    """
    from matplotlib.figure import Figure

    material = repair.material
    pictures = _decodes_pictures(material)
    figure = Figure(figsize=(10, 9.6 if pictures else 5), dpi=150, facecolor=theme.paper, layout="constrained")
    panels = figure.subplots(2 if pictures else 1, 2, squeeze=False)
    sides = [("before", repair.scores[0].choice, repair.old), ("after", repair.winner.name, repair.new)]
    plane = _plane(material.scoring.double())
    for column, (word, name, pool) in enumerate(sides):
        draws = pool.sample(
            _POINTS, generator=torch.Generator(device=pool.like.device).manual_seed(seed_for(repair.seed, _STREAM))
        )
        draws = draws.cpu().float()
        title = f"{word}: drawn from {name}"
        if pictures:
            _grid(panels[0][column], material, draws[:_SHOWN], title, theme)
        _map(panels[-1][column], material.scoring[:_POINTS] @ plane, draws @ plane, "" if pictures else title, theme)
    _same_view([panels[-1][0], panels[-1][1]], (material.scoring @ plane).numpy())
    return figure


def _decodes_pictures(material: Material) -> bool:
    x = material.data
    return material.decode is not None and x is not None and x.ndim == 4 and x.shape[1] in (1, 3)


def _grid(axes: Axes, material: Material, draws: Tensor, title: str, theme: Theme) -> None:
    assert material.decode is not None
    assert material.data is not None
    images = decoded(material.decode, draws, material.data.shape[1:])
    axes.imshow(np.asarray(image_grid(images, theme=theme)), interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(title, color=theme.ink, fontsize=11)


def _plane(z: Tensor) -> Tensor:
    """(d, 2): the coordinates themselves up to d = 2, else the two leading principal axes."""
    d = z.shape[1]
    if d <= 2:
        return torch.eye(d, 2)
    centred = z - z.mean(0)
    axes = torch.pca_lowrank(centred, 2, center=False)[2] if d > 512 else torch.linalg.eigh(centred.T @ centred)[1]
    return (axes if d > 512 else axes[:, [-1, -2]]).float()


def _map(axes: Axes, points: Tensor, draws: Tensor, title: str, theme: Theme) -> None:
    dress(axes, theme)
    look: dict[str, Any] = {"alpha": 0.55, "linewidths": 0}
    for z, colour, name in ((draws, theme.prior, "draws"), (points, theme.data, "held-out latents")):
        axes.scatter(z[:, 0].numpy(), z[:, 1].numpy(), 7, color=colour, label=name, **look)
    axes.set_title(title, color=theme.ink, fontsize=11)
    axes.set(xlabel="first direction of the latents", ylabel="second direction")
    legend(axes, theme, loc="upper right", markerscale=2)


def _same_view(panels: list[Axes], points: np.ndarray) -> None:
    """The same window on both sides, around all held-out latents and most of the draws."""
    low, high = np.quantile(points, [0.001, 0.999], axis=0)
    reach = 0.65 * float(max((high - low).max(), 1e-6))
    middle = (low + high) / 2
    for axes in panels:
        axes.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] - reach, middle[1] + reach))
        axes.set_aspect("equal")
