"""Uniform priors: on a cube and on the unit sphere."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Uniform, constraints

from lather.errors import ConfigError
from lather.priors.base import Prior

__all__ = ["SphereUniform", "UniformCube", "UniformSphere"]


class UniformCube(Prior):
    r"""Independent coordinates, each uniform on [low, high].

    The default is the cube of unit variance, [−√3, √3]^d, so that kernel bandwidths chosen for N(0, I)
    keep their meaning. All mass is bounded, but corners lie √d times as far out as faces.

    Args:
        d: number of latent dimensions.
        low: lower end of every coordinate.
        high: upper end of every coordinate, above ``low``.
    """

    summary: ClassVar[str] = "uniform on a cube, unit variance by default: bounded, independent coordinates"
    bounded: ClassVar[bool] = True
    independent: bool = True
    ends: Tensor

    def __init__(self, d: int, low: float = -math.sqrt(3), high: float = math.sqrt(3)) -> None:
        super().__init__()
        if d < 1:
            raise ConfigError(f"a prior needs at least one dimension, got d={d}")
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ConfigError(f"a cube needs finite ends with low < high, got low={low}, high={high}")
        self.d = d
        self.register_buffer("ends", torch.tensor([low, high]), persistent=False)

    def forward(self) -> Distribution:
        low, high = self.ends.unsqueeze(-1).expand(2, self.d)
        return Independent(Uniform(low, high, validate_args=False), 1, validate_args=False)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        u = torch.rand(n, self.d, generator=generator, device=self.ends.device, dtype=self.ends.dtype)
        return torch.lerp(self.ends[0], self.ends[1], u)


class SphereUniform(Distribution):
    """The uniform distribution on the unit sphere of R^d; densities are with respect to surface area."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    support = constraints.real_vector
    has_rsample = False

    def __init__(self, like: Tensor, d: int) -> None:
        super().__init__(event_shape=torch.Size((d,)), validate_args=False)
        self._like = like
        # area of S^{d-1}: 2 π^{d/2} / Γ(d/2)
        self._log_area = math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)

    @property
    def mean(self) -> Tensor:
        return self._like.new_zeros(self._event_shape)

    @property
    def variance(self) -> Tensor:
        return self._like.new_full(self._event_shape, 1 / self._event_shape[0])

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        z = torch.randn((*sample_shape, *self._event_shape), device=self._like.device, dtype=self._like.dtype)
        return torch.nn.functional.normalize(z, dim=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        return value.new_full(value.shape[:-1], -self._log_area)

    def entropy(self) -> Tensor:
        return self._like.new_tensor(self._log_area)


class UniformSphere(Prior):
    r"""Uniform on the unit sphere S^{d−1} = {z : ‖z‖ = 1} of R^d.

    It needs latents on the sphere (posterior ``Sphere()``): compact, without a centre, and every direction
    alike. Its density is taken with respect to surface area, so a KL term needs a posterior with a density on the
    sphere, too: ``PowerSpherical()``.

    Reference: Davidson, Falorsi, De Cao, Kipf, Tomczak, *Hyperspherical Variational Auto-Encoders*, 2018,
    arXiv:1804.00891.

    Args:
        d: dimension of the space around the sphere, at least 2.
    """

    summary: ClassVar[str] = "uniform on the unit sphere: needs latents that lie on it (posterior `sphere`)"
    euclidean: ClassVar[bool] = False
    zero: Tensor

    def __init__(self, d: int) -> None:
        super().__init__()
        if d < 2:
            raise ConfigError(f"a sphere needs a space of at least two dimensions around it, got d={d}")
        self.d = d
        self.register_buffer("zero", torch.zeros(()), persistent=False)

    def forward(self) -> Distribution:
        return SphereUniform(self.zero, self.d)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        z = torch.randn(n, self.d, generator=generator, device=self.zero.device, dtype=self.zero.dtype)
        return torch.nn.functional.normalize(z, dim=-1)
