"""A heavy-tailed, rotation-invariant prior."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.distributions import StudentT as StudentLaw

from lather.errors import ConfigError
from lather.priors.base import Prior

__all__ = ["MultivariateT", "StudentT"]


class StudentT(Prior):
    r"""The multivariate t distribution: z = s x √(ν/w) with x ~ N(0, I_d) and one w ~ χ²_ν for all coordinates.

    The multivariate law, not d independent t variables: it is invariant to rotations, as N(0, I) is, and every
    projection is again a t_ν. Its coordinates are uncorrelated but dependent, being large together. The default
    s = √((ν−2)/ν) gives unit variance, so that kernel bandwidths chosen for N(0, I) keep their meaning. ‖z‖²/(d s²)
    follows F(d, ν), whose distribution function torch does not have: radii are compared through draws.

    Reference: Kotz, Nadarajah, *Multivariate t Distributions and Their Applications*, 2004,
    doi:10.1017/CBO9780511550683.

    Args:
        d: number of latent dimensions, at least 1.
        df: degrees of freedom ν > 2, for a finite variance; moments of order ν and above are infinite.
        scale: s, positive; default that of unit variance.

    Example:
        >>> StudentT(3, df=4).sample(2).shape
        torch.Size([2, 3])
    """

    summary: ClassVar[str] = "the multivariate t (5 degrees of freedom), unit variance: heavy tails in every direction"
    shape: Tensor

    def __init__(self, d: int, df: float = 5.0, scale: float | None = None) -> None:
        super().__init__()
        if d < 1:
            raise ConfigError(f"a prior needs at least one dimension, got d={d}")
        if not (math.isfinite(df) and df > 2):
            raise ConfigError(
                f"a Student prior needs 2 < df < ∞, for a finite variance, got {df}; or StandardNormal(d)"
            )
        scale = math.sqrt((df - 2) / df) if scale is None else scale
        if not (math.isfinite(scale) and scale > 0):
            raise ConfigError(f"a Student prior needs a positive, finite scale, got {scale}")
        self.d = d
        self.register_buffer("shape", torch.tensor([df, scale], dtype=torch.get_default_dtype()), persistent=False)

    def forward(self) -> Distribution:
        return MultivariateT(self.d, *self.shape)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        df, scale = self.shape
        x = torch.randn(n, self.d, generator=generator, device=df.device, dtype=df.dtype)
        w = 2 * torch._standard_gamma((df / 2).expand(n, 1), generator=generator)
        return scale * x * (df / w).sqrt()

    def along(self, directions: Float[Tensor, "k d"]) -> Distribution:
        df, scale = self.shape.to(directions).unsqueeze(-1).expand(2, len(directions))
        return StudentLaw(df, torch.zeros_like(df), scale)


class MultivariateT(Distribution):
    """The distribution behind :class:`StudentT`, centred, with Σ = s² I.

    Args:
        d: dimensions.
        df: ν, a scalar tensor.
        scale: s, a scalar tensor.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    support = constraints.real_vector
    has_rsample = False

    def __init__(self, d: int, df: Float[Tensor, ""], scale: Float[Tensor, ""]) -> None:
        super().__init__(event_shape=torch.Size((d,)), validate_args=False)
        self.df, self.scale = df, scale

    @property
    def mean(self) -> Tensor:
        return self.df.new_zeros(self._event_shape)

    @property
    def variance(self) -> Tensor:
        return (self.scale.square() * self.df / (self.df - 2)).expand(self._event_shape)

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        x = torch.randn((*sample_shape, *self._event_shape), device=self.df.device, dtype=self.df.dtype)
        w = 2 * torch._standard_gamma((self.df / 2).expand(*sample_shape, 1))
        return self.scale * x * (self.df / w).sqrt()

    def log_prob(self, value: Tensor) -> Tensor:
        (d,) = self._event_shape
        df, scale = self.df.double(), self.scale.double()
        constant = torch.lgamma((df + d) / 2) - torch.lgamma(df / 2) - d / 2 * (df * math.pi).log() - d * scale.log()
        square = (value / self.scale).square().sum(-1)
        return constant.to(value) - (self.df + d) / 2 * torch.log1p(square / self.df)
