"""The numbers behind the plots: small arrays that go into ``report.npz``, and the words that go with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from lather.auditing.plots.arrays import PlotData
from lather.auditing.plots.distances import distance_data
from lather.auditing.plots.map import map_data
from lather.auditing.plots.pictures import hole_pictures
from lather.auditing.plots.qq import qq_data
from lather.auditing.plots.radius import radius_data
from lather.auditing.plots.roc import roc_data
from lather.auditing.row import Row
from lather.auditing.three_way import Scores
from lather.priors.base import Prior

__all__ = ["plot_data"]


def plot_data(
    z: Float[Tensor, "n d"],
    prior: Prior,
    rows: Mapping[str, Row],
    scores: Scores | None,
    *,
    tested: Float[Tensor, "m d"],
    means: Float[Tensor, "n d"] | None = None,
    stds: Float[Tensor, "n d"] | None = None,
    labels: Tensor | None = None,
    label_names: Sequence[str] = (),
    decode: Callable[[Tensor], Tensor] | None = None,
    generator: torch.Generator | None = None,
) -> PlotData:
    """Everything that is drawn of latents: map, radius, distances, worst slices, curves, and what holes decode to.

    Args:
        z: latents in random order, float64 on the CPU.
        prior: what they are compared with.
        rows: the measurements, by key; the worst slices and holes are theirs.
        scores: of the three-way test, if there was one.
        tested: the latents that row ``signal`` looked at, which may be a half of ``z``.
        means, stds: posteriors in the order of ``z``.
        labels: classes (n,) in the order of ``z``, or ``None``.
        label_names: names of the classes.
        decode: latents (m, d) → images, of the holes; ``None`` leaves them out.
        generator: source of prior draws, on the prior's device.
    """
    pieces = [
        map_data(z, prior, labels, label_names, generator, means, stds),
        radius_data(z, prior, generator),
        distance_data(z, prior, generator),
        _worst_axis(z, prior, rows.get("per_axis"), generator),
        _worst_signal(tested, prior, rows.get("signal"), generator),
        roc_data(scores),
    ]
    holes = rows.get("holes")
    if decode is not None and scores is not None and holes is not None and holes.computed:
        pieces.append(hole_pictures(decode, scores, holes.details["worst"]))
    words: dict[str, Any] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for more_words, more_arrays in pieces:
        words |= more_words
        arrays |= more_arrays
    return words, arrays


def _worst_axis(z: Tensor, prior: Prior, row: Row | None, generator: torch.Generator | None) -> PlotData:
    if row is None or not row.computed:
        return {}, {}
    axis, d = int(row.details["axis"]), z.shape[1]
    title = f"Worst axis: {axis + 1} of {d}"
    return qq_data("axis", title, z, torch.eye(d, dtype=z.dtype)[axis], prior, chosen_from=d, generator=generator)


def _worst_signal(z: Tensor, prior: Prior, row: Row | None, generator: torch.Generator | None) -> PlotData:
    if row is None or not row.computed:
        return {}, {}
    direction, k = torch.tensor(row.details["direction"], dtype=z.dtype), int(row.details["directions"])
    title = f"Worst signal direction: {row.details['rank']} of {k}"
    return qq_data("signal", title, z, direction, prior, chosen_from=k, generator=generator)
