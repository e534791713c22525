"""Independent Laplace coordinates as a prior."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Laplace

from lather.errors import ConfigError
from lather.priors.base import Prior

__all__ = ["LaplacePrior"]


class LaplacePrior(Prior):
    r"""Independent coordinates of density exp(−|z|/b) / 2b.

    The default b = 1/√2 gives unit variance, so that kernel bandwidths chosen for N(0, I) keep their meaning. It
    is not invariant to rotations: large coordinates come alone, so axes can carry meaning. Its KL term is a
    Monte-Carlo estimate. (Named ``LaplacePrior`` beside the likelihood :class:`~lather.models.Laplace`.)

    Args:
        d: number of latent dimensions, at least 1.
        scale: b, positive; the variance is 2b².

    Example:
        >>> LaplacePrior(3).sample(2).shape
        torch.Size([2, 3])
    """

    summary: ClassVar[str] = "independent Laplace coordinates, unit variance: sparse, axes are preferred directions"
    independent: bool = True
    scale: Tensor

    def __init__(self, d: int, scale: float = math.sqrt(0.5)) -> None:
        super().__init__()
        if d < 1:
            raise ConfigError(f"a prior needs at least one dimension, got d={d}")
        if not (math.isfinite(scale) and scale > 0):
            raise ConfigError(f"a Laplace prior needs a positive, finite scale, got {scale}")
        self.d = d
        self.register_buffer("scale", torch.tensor(float(scale)), persistent=False)

    def forward(self) -> Distribution:
        scale = self.scale.expand(self.d)
        return Independent(Laplace(torch.zeros_like(scale), scale, validate_args=False), 1, validate_args=False)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        # the difference of two exponentials
        pair = self.scale.new_empty(2, n, self.d).exponential_(generator=generator)
        return self.scale * (pair[0] - pair[1])
