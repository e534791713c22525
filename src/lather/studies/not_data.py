"""Pictures that are no data, made of data: what a classifier has to see to be able to say "none of these"."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["not_data"]

_FAINTEST = 0.3  # share of either picture in a mean of two
_UP_TO = (0, 0.4, 0.6, 0.8, 1)  # shares of the four kinds, added up


def not_data(x: Tensor, other: Tensor, generator: torch.Generator) -> Tensor:
    """Weighted means of two pictures (two in five), patchworks of two, pictures with parts missing, mixed pixels.

    Means are the hardest to tell from data, and so the most frequent. Parts have smooth random outlines; a missing one
    is filled with the picture's median, which is its background.

    Args:
        x: (n, c, h, w).
        other: as many others; the first two kinds are made of both.
        generator: of every choice.

    Returns:
        (n, c, h, w), kinds in the order above.
    """
    n, _, h, w = x.shape
    edges = [round(n * up_to) for up_to in _UP_TO]
    mean, patched, gaps, mixed = (slice(a, b) for a, b in pairwise(edges))
    share = _FAINTEST + (1 - 2 * _FAINTEST) * torch.rand(edges[1], 1, 1, 1, generator=generator)
    field = torch.randn(n, 1, 4, 4, generator=generator)
    parts = functional.interpolate(field, (h, w), mode="bilinear", align_corners=False) > 0
    order = torch.rand(len(x[mixed]), 1, h * w, generator=generator).argsort(-1).expand(-1, x.shape[1], -1)
    return torch.cat(
        [
            torch.lerp(x[mean], other[mean], share),
            torch.where(parts[patched], x[patched], other[patched]),
            torch.where(parts[gaps], x[gaps], x[gaps].flatten(1).median(1).values.view(-1, 1, 1, 1)),
            x[mixed].flatten(2).gather(2, order).view_as(x[mixed]),
        ]
    )
