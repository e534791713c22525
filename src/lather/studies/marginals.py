"""What each latent coordinate looks like by itself: the first thing that people plot, and the least telling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing.slices import slices
from lather.priors import StandardNormal

__all__ = ["IDLE", "Marginals", "marginals"]

IDLE = 0.01  #: nats of mean KL below which a dimension says next to nothing
_TESTED = 1_000  # latents whose coordinates are tested


@dataclass(frozen=True)
class Marginals:
    """Coordinates of posteriors N(μ, σ²), over data.

    Attributes:
        centre: root mean square of μ over data and coordinates; 0 says that all posteriors sit at the origin.
        width: mean of σ over data and coordinates; 1 is the prior's.
        idle: coordinates with a mean KL below 0.01 nats.
        gap: mean over coordinates of the largest difference between the distribution functions of one draw for each
            datum and of N(0, 1).
        pass_rate: share of coordinates where that passes Kolmogorov and Smirnov's test at 5%.
        tested: latents that were tested.
    """

    centre: float
    width: float
    idle: int
    gap: float
    pass_rate: float
    tested: int


def marginals(mean: Float[Tensor, "n d"], std: Float[Tensor, "n d"], z: Float[Tensor, "n d"]) -> Marginals:
    """Measure the coordinates of posteriors ``mean``, ``std`` and of one draw ``z`` from each, in random order.

    At most 1000 draws are tested: with enough of them every coordinate of every model fails.
    """
    from scipy import stats

    mean, std, z = mean.double(), std.double(), z.double()[:_TESTED]
    kl = (0.5 * (mean.square() + std.square() - 1) - std.log()).mean(0)
    found = slices(z, None, StandardNormal(z.shape[1]), independent=True)
    gaps = torch.tensor(found.gaps)
    critical = float(stats.kstwo.isf(0.05, len(z)))
    return Marginals(
        math.sqrt(float(mean.square().mean())),
        float(std.mean()),
        int((kl < IDLE).sum()),
        float(gaps.mean()),
        float((gaps < critical).double().mean()),
        len(z),
    )
