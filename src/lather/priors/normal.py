"""The standard normal prior."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Chi2, Distribution, Gamma, Independent, Normal

from lather.errors import ConfigError
from lather.priors.base import Prior

__all__ = ["StandardNormal"]


class StandardNormal(Prior):
    r"""N(0, I_d): independent coordinates of mean 0 and variance 1.

    ‖z‖² follows χ²_d and ‖z − z'‖² twice that; the projection on any unit vector is N(0, 1). In high
    dimension nearly all mass lies in a shell of radius √d and thickness about 0.7.

    Args:
        d: number of latent dimensions, at least 1.

    Example:
        >>> StandardNormal(3).sample(2).shape
        torch.Size([2, 3])
    """

    summary: ClassVar[str] = "N(0, I): the usual choice; every divergence has a closed form against it"
    standard: ClassVar[bool] = True
    independent: bool = True
    zero: Tensor

    def __init__(self, d: int) -> None:
        super().__init__()
        if d < 1:
            raise ConfigError(f"a prior needs at least one dimension, got d={d}")
        self.d = d
        self.register_buffer("zero", torch.zeros(()), persistent=False)

    def forward(self) -> Distribution:
        zero = self.zero.expand(self.d)
        return Independent(Normal(zero, torch.ones_like(zero), validate_args=False), 1, validate_args=False)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(n, self.d, generator=generator, device=self.zero.device, dtype=self.zero.dtype)

    def along(self, directions: Tensor) -> Distribution:
        zero = directions.new_zeros(len(directions))
        return Normal(zero, torch.ones_like(zero))

    def squared_radius(self) -> Distribution:
        return Chi2(self.zero + self.d, validate_args=False)

    def squared_distance(self) -> Distribution:
        return Gamma(self.zero + self.d / 2, self.zero + 0.25, validate_args=False)
