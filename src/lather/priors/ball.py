"""Uniform on a ball."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, constraints

from lather.errors import ConfigError
from lather.priors.base import Prior

__all__ = ["BallRadius", "BallUniform", "UniformBall"]


class UniformBall(Prior):
    r"""Uniform on {z : ‖z‖ ≤ R} in R^d.

    The default R = √(d + 2) gives every coordinate unit variance, so that kernel bandwidths chosen for N(0, I) keep
    their meaning. (‖z‖/R)^d is uniform on [0, 1]: in high dimension nearly all mass lies near the surface. Its
    support is bounded, so a Gaussian posterior has an infinite KL from it; match samples instead.

    Args:
        d: number of latent dimensions, at least 1.
        radius: R, positive.

    Example:
        >>> UniformBall(2, radius=1).sample(100).norm(dim=1).max() <= 1
        tensor(True)
    """

    summary: ClassVar[str] = "uniform on a ball, unit variance: bounded, and every direction alike"
    bounded: ClassVar[bool] = True
    radius: Tensor

    def __init__(self, d: int, radius: float | None = None) -> None:
        super().__init__()
        if d < 1:
            raise ConfigError(f"a prior needs at least one dimension, got d={d}")
        radius = math.sqrt(d + 2) if radius is None else radius
        if not (math.isfinite(radius) and radius > 0):
            raise ConfigError(f"a ball needs a positive, finite radius, got {radius}")
        self.d = d
        self.register_buffer("radius", torch.tensor(float(radius)), persistent=False)

    def forward(self) -> Distribution:
        return BallUniform(self.d, self.radius)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        x = torch.randn(n, self.d, generator=generator, device=self.radius.device, dtype=self.radius.dtype)
        u = torch.rand(n, 1, generator=generator, device=x.device, dtype=x.dtype)
        return self.radius * u ** (1 / self.d) * torch.nn.functional.normalize(x, dim=-1)

    def squared_radius(self) -> Distribution:
        return BallRadius(self.d, self.radius)


class BallUniform(Distribution):
    """The uniform distribution on the ball of radius R in R^d.

    Args:
        d: dimensions.
        radius: R, a scalar tensor.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    support = constraints.real_vector
    has_rsample = False

    def __init__(self, d: int, radius: Float[Tensor, ""]) -> None:
        super().__init__(event_shape=torch.Size((d,)), validate_args=False)
        self.radius = radius
        # volume of the unit ball: π^{d/2} / Γ(d/2 + 1)
        self._log_unit_volume = d / 2 * math.log(math.pi) - math.lgamma(d / 2 + 1)

    @property
    def mean(self) -> Tensor:
        return self.radius.new_zeros(self._event_shape)

    @property
    def variance(self) -> Tensor:
        (d,) = self._event_shape
        return (self.radius.square() / (d + 2)).expand(d)

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        (d,) = self._event_shape
        x = torch.randn((*sample_shape, d), device=self.radius.device, dtype=self.radius.dtype)
        u = torch.rand((*sample_shape, 1), device=x.device, dtype=x.dtype)
        return self.radius * u ** (1 / d) * torch.nn.functional.normalize(x, dim=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        inside = value.square().sum(-1) <= self.radius.square() * (1 + 4 * torch.finfo(value.dtype).eps)
        return torch.where(inside, -self.entropy().to(value), -math.inf)

    def entropy(self) -> Tensor:
        return self._log_unit_volume + self._event_shape[0] * self.radius.log()


class BallRadius(Distribution):
    """The law of ‖z‖² under the uniform distribution on a ball: distribution function (q/R²)^{d/2} on [0, R²].

    Args:
        d: dimensions.
        radius: R, a scalar tensor.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    support = constraints.nonnegative
    has_rsample = False

    def __init__(self, d: int, radius: Float[Tensor, ""]) -> None:
        super().__init__(validate_args=False)
        self.d, self.radius = d, radius

    @property
    def mean(self) -> Tensor:
        return self.radius.square() * self.d / (self.d + 2)

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        return self.icdf(torch.rand(tuple(sample_shape), device=self.radius.device, dtype=self.radius.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        share = value / self.radius.square()
        density = (self.d / 2 - 1) * share.log() + math.log(self.d / 2) - 2 * self.radius.log()
        return torch.where((share >= 0) & (share <= 1), density, -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        return (value / self.radius.to(value).square()).clamp(0, 1) ** (self.d / 2)

    def icdf(self, value: Tensor) -> Tensor:
        return self.radius.square() * value ** (2 / self.d)
