"""A prior moved, stretched and turned."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from lather.errors import ConfigError, ShapeError
from lather.priors.base import Prior
from lather.priors.delegated import DelegatedDistribution

__all__ = ["Affine"]


class Affine(Prior):
    r"""The law of z = m + A u with u from another prior: log p(z) = log p_u(A⁻¹ (z − m)) − log |det A|.

    What is fitted to latents works best on the scale of 1, with coordinates that are not correlated. This takes it
    back to the latents' own scale.

    Args:
        base: the prior of u, with a density, over d dimensions.
        shift: m, (d,).
        scale: A, an invertible (d, d), or its diagonal, positive, (d,).

    Raises:
        ShapeError: shapes that do not fit.
        ConfigError: values that are not finite, a matrix that cannot be inverted, a base without a density.

    Example:
        >>> from lather.priors.normal import StandardNormal
        >>> prior = Affine(StandardNormal(2), torch.tensor([3.0, 0.0]), torch.tensor([2.0, 1.0]))
        >>> prior.log_prob(torch.tensor([[3.0, 0.0]]))  # −log 2π − log 2
        tensor([-2.5310])
    """

    summary: ClassVar[str] = "another prior, moved, stretched and turned"
    stored: ClassVar[frozenset[str]] = frozenset({"shift", "scale"})
    shift: Tensor
    scale: Tensor
    inverse: Tensor
    log_volume: Tensor

    def __init__(self, base: Prior, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.d = d = base.d
        if shift.shape != (d,) or scale.shape not in ((d,), (d, d)) or not shift.is_floating_point():
            raise ShapeError(
                f"over {base!r} a shift must be a floating ({d},) and a scale ({d},) or ({d}, {d}), got {shift.dtype} "
                f"{tuple(shift.shape)} and {tuple(scale.shape)}"
            )
        if not (base.density and base.euclidean):
            raise ConfigError(f"{base!r} has no density over all d dimensions, so it cannot be stretched")
        scale = scale.detach().to(shift)
        if not bool(torch.isfinite(shift).all() and torch.isfinite(scale).all()):
            raise ConfigError("shift and scale must be finite, got NaN or infinity in them")
        if scale.ndim == 1 and not bool((scale > 0).all()):
            raise ConfigError(f"a diagonal scale must be positive, got {float(scale.min())} in it")
        inverse, log_volume = _inverted(scale)
        self.base = base
        self.register_buffer("shift", shift.detach().clone())
        self.register_buffer("scale", scale.clone())
        self.register_buffer("inverse", inverse)
        self.register_buffer("log_volume", log_volume)

    @property
    def like(self) -> Tensor:
        return self.shift

    def forward(self) -> Distribution:
        return DelegatedDistribution(self)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        u = self.base.sample(n, generator=generator).to(self.shift)
        return self.shift + (u @ self.scale.T if self.scale.ndim == 2 else u * self.scale)

    def log_prob(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        u = z.to(self.shift) - self.shift
        u = u @ self.inverse.T if self.scale.ndim == 2 else u * self.inverse
        return (self.base.log_prob(u).to(self.shift) - self.log_volume).to(z.dtype)


def _inverted(scale: Tensor) -> tuple[Tensor, Tensor]:
    """A⁻¹ and log |det A|, both computed in float64."""
    wide = scale.double()
    if scale.ndim == 1:
        return wide.reciprocal().to(scale), wide.log().sum().to(scale)
    inverse, info = torch.linalg.inv_ex(wide)
    sign, log_volume = torch.linalg.slogdet(wide)
    if bool(info != 0) or float(sign) == 0:
        raise ConfigError("the scale cannot be inverted; latents without spread in some direction have no density")
    return inverse.to(scale), log_volume.to(scale)
