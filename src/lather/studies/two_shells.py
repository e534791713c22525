"""A synthetic law with all moments of N(0, I) up to the fifth degree, and yet nowhere near it."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["two_shells"]


def two_shells(n: int, d: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
    r"""Directions at random, ‖z‖² = d ± √(2d) with probability ½ each.

    ‖z‖² has the mean d and the variance 2d of χ²_d. As directions are uniform, every moment of degree ≤ 5 is then that
    of N(0, I): mean 0, covariance I, Mardia's skewness 0 and kurtosis d(d + 2). All latents lie on two spheres, where
    N(0, I) has mass 0.

    Args:
        n, d: latents and dimensions, d ≥ 2.
        generator: of the draws.

    Example:
        >>> z = two_shells(1000, 8, generator=torch.Generator().manual_seed(0))
        >>> sorted({round(float(r)) for r in z.square().sum(1)})
        [4, 12]
    """
    u = torch.nn.functional.normalize(torch.randn(n, d, generator=generator, dtype=torch.float64), dim=1)
    sign = torch.randint(0, 2, (n, 1), generator=generator).double() * 2 - 1
    return u * (d + sign * math.sqrt(2 * d)).sqrt()
