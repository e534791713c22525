"""Midpoints between latents of data: does what lies between data decode to something like data?"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["pairs"]


def pairs(labels: Tensor | None, n: int, count: int, *, generator: torch.Generator) -> dict[str, Tensor]:
    """Random pairs of different data, by kind.

    Args:
        labels: (n,) classes, -1 for unknown; ``None`` without classes.
        n: how many data there are, at least 2.
        count: pairs of each kind, at most.
        generator: of the choice.

    Returns:
        ``"same class"`` and ``"different class"``, or ``"any"`` without labels: (at most count, 2) indices.
    """
    first = torch.randint(n, (40 * count,), generator=generator)
    second = (first + torch.randint(1, n, (40 * count,), generator=generator)) % n
    both = torch.stack([first, second], 1)
    if labels is None:
        return {"any": both[:count]}
    known = (labels[first] >= 0) & (labels[second] >= 0)
    same = labels[first] == labels[second]
    return {"same class": both[known & same][:count], "different class": both[known & ~same][:count]}
