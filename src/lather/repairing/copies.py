"""Does a candidate replay the training latents?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Copies", "copies", "nearest"]

_ALLOWED = 0.6  # share of draws nearer to the training latents than half of the held-out latents are
_MOST = 2_000


@dataclass(frozen=True)
class Copies:
    """Share of a candidate's draws that lie closer to a training latent than half of the held-out latents do.

    Args:
        share: one half for latents of new data. 1 for a candidate that returns training latents.
        error: its standard error.
        distance: the median distance from a draw to the nearest training latent over that from a held-out latent.
    """

    share: float
    error: float
    distance: float

    @property
    def memorises(self) -> bool:
        """Whether for certain more than 60% are that close."""
        return self.share - 1.96 * self.error > _ALLOWED


def copies(draws: Float[Tensor, "m d"], held: Float[Tensor, "k"], anchors: Float[Tensor, "n d"]) -> Copies:
    """Compare distances to the nearest of the training latents ``anchors``.

    A law that generalises puts its draws where new data fall, so as near to the training latents as those do. A kernel
    density with a small width puts them next to one of them; so do the posteriors of an encoder that keeps each datum
    apart.

    Args:
        draws: of the candidate; the first 2000 are used.
        held: :func:`nearest` of held-out latents.
        anchors: training latents, or the centres of their posteriors.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> train, new, held = torch.randn(3, 400, 4, generator=g)
        >>> found = copies(train + 0.01, nearest(held, train), train)
        >>> found.share, found.memorises, copies(new, nearest(held, train), train).memorises
        (1.0, True, False)
    """
    found = nearest(draws[:_MOST], anchors)
    usual = held.median()
    share = float((found < usual).double().mean())
    # of both samples: the median's own error moves the share by as much as another sample of its size would
    error = 0.5 * math.sqrt(1 / len(found) + 1 / len(held))
    return Copies(share, error, float(found.median() / usual.clamp_min(1e-30)))


def nearest(z: Float[Tensor, "m d"], anchors: Float[Tensor, "n d"]) -> Float[Tensor, "m"]:
    """Distance from each row of ``z`` to the nearest of ``anchors``."""
    centre = anchors.double().mean(0)
    points = (anchors.double() - centre).float()
    return torch.cat([torch.cdist((part.double() - centre).float(), points).min(1).values for part in z.split(256)])
