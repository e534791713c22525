"""What to show of data, what comes back of them, what is generated, and what is decoded in holes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lather.auditing.plots.arrays import PlotData
from lather.auditing.three_way import Scores

__all__ = ["hole_pictures", "picture_data"]

_SAMPLES, _PAIRS = 64, 32


def picture_data(data: Tensor, reconstructions: Tensor, samples: Tensor) -> PlotData:
    """What to show of data (m, *shape), their reconstructions, and generated samples of the same shape.

    Images (m, 1 or 3, h, w) become bytes, [0, 1] spread over 0 … 255 and clipped; anything else stays numbers.
    """
    if data.ndim == 4 and data.shape[1] in (1, 3):
        return {"pictures": "images"}, {
            "originals": _bytes(data[:_PAIRS]),
            "reconstructions": _bytes(reconstructions[:_PAIRS]),
            "samples": _bytes(samples[:_SAMPLES]),
        }
    named = {"originals": data, "reconstructions": reconstructions, "samples": samples}
    return {"pictures": "columns"}, {name: x.flatten(1).float().numpy() for name, x in named.items()}


@torch.no_grad()
def hole_pictures(decode: Callable[[Tensor], Tensor], found: Scores, worst: Sequence[int]) -> PlotData:
    """Images (16, 1 or 3, h, w) decoded from the prior draws deepest in holes, and as many from typical ones.

    Typical are those in the middle of the prior draws' own scores: neither at home nor lost.

    Args:
        decode: latents (m, d) → images (m, *shape).
        found: scores of the three-way test, with the draws.
        worst: which draws are worst, worst first, as in ``details["worst"]`` of the row ``holes``.
    """
    order = found.prior.argsort()
    start = max((len(order) - len(worst)) // 2, 0)
    images = decode(found.draws[torch.cat([torch.as_tensor(list(worst)), order[start : start + len(worst)]])])
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        return {}, {}
    return {}, {"holes_worst": _bytes(images[: len(worst)]), "holes_typical": _bytes(images[len(worst) :])}


def _bytes(images: Tensor) -> NDArray[np.uint8]:
    return (images.float().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
