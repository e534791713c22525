"""A Gaussian prior of any mean and covariance."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Gamma, Independent, MultivariateNormal
from torch.distributions import Normal as NormalLaw

from lather.errors import ConfigError, ShapeError
from lather.priors.base import Prior

__all__ = ["Normal"]


class Normal(Prior):
    r"""N(μ, Σ) with a full or a diagonal covariance.

    The projection on a unit vector v is N(⟨v, μ⟩, vᵀΣv). Where Σ = σ² I, ‖z − z'‖² follows 2σ² χ²_d and, with
    μ = 0, ‖z‖² follows σ² χ²_d; other radii have no simple law.

    Args:
        mean: μ, shape (d,).
        covariance: Σ, shape (d, d), symmetric positive definite; or its diagonal, the variances, shape (d,).

    Raises:
        ShapeError: shapes that do not fit.
        ConfigError: values that are not finite, a covariance that is not symmetric positive definite.

    Example:
        >>> prior = Normal(torch.zeros(2), torch.tensor([[1.0, 0.8], [0.8, 1.0]]))
        >>> prior.sample(3).shape
        torch.Size([3, 2])
    """

    summary: ClassVar[str] = "a Gaussian of given mean and covariance, such as one fitted to latents"
    stored: ClassVar[frozenset[str]] = frozenset({"mean", "covariance"})
    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, covariance: Tensor) -> None:
        super().__init__()
        if mean.ndim != 1 or not mean.is_floating_point() or not len(mean):
            raise ShapeError(
                f"the mean of a normal prior must be a floating (d,), got {mean.dtype} {tuple(mean.shape)}"
            )
        self.d = d = len(mean)
        if covariance.shape not in ((d,), (d, d)):
            raise ShapeError(
                f"with a mean of shape ({d},) the covariance must be ({d}, {d}), or ({d},) for variances alone, got "
                f"{tuple(covariance.shape)}"
            )
        self.register_buffer("mean", mean.detach().clone())
        self.register_buffer("scale", _factor(covariance.detach().to(mean)))
        self.independent = not self.full
        if not bool(torch.isfinite(mean).all()):
            raise ConfigError("the mean of a normal prior must be finite, got NaN or infinity in it")

    @property
    def full(self) -> bool:
        """Whether the covariance is full; ``scale`` then holds its Cholesky factor, else standard deviations."""
        return self.scale.ndim == 2

    def forward(self) -> Distribution:
        if self.full:
            return MultivariateNormal(self.mean, scale_tril=self.scale, validate_args=False)
        return Independent(NormalLaw(self.mean, self.scale, validate_args=False), 1, validate_args=False)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        noise = torch.randn(n, self.d, generator=generator, device=self.mean.device, dtype=self.mean.dtype)
        return self.mean + (noise @ self.scale.T if self.full else noise * self.scale)

    def along(self, directions: Float[Tensor, "k d"]) -> Distribution:
        scale = self.scale.to(directions)
        spread = directions @ scale if self.full else directions * scale
        return NormalLaw(directions @ self.mean.to(directions), spread.norm(dim=-1))

    def squared_radius(self) -> Distribution | None:
        variance = self._isotropic()
        if variance is None or bool(self.mean.any()):
            return None
        return Gamma(0 * variance + self.d / 2, 0.5 / variance, validate_args=False)

    def squared_distance(self) -> Distribution | None:
        variance = self._isotropic()
        if variance is None:
            return None
        return Gamma(0 * variance + self.d / 2, 0.25 / variance, validate_args=False)

    def _isotropic(self) -> Tensor | None:
        """σ² where Σ = σ² I, as a float64 scalar."""
        scale = self.scale if self.full else torch.diag(self.scale)
        same = torch.equal(scale, scale[0, 0] * torch.eye(self.d, device=scale.device, dtype=scale.dtype))
        return scale[0, 0].double().square() if same else None


def _factor(covariance: Tensor) -> Tensor:
    if covariance.ndim == 1:
        if not bool(((covariance > 0) & torch.isfinite(covariance)).all()):
            raise ConfigError(f"variances must be positive and finite, got {covariance.min()} … {covariance.max()}")
        return covariance.sqrt()
    if not torch.allclose(covariance, covariance.T, rtol=1e-4, atol=1e-6 * float(covariance.abs().max())):
        raise ConfigError("the covariance is not symmetric; average it with its transpose: (c + c.T) / 2")
    factor, info = torch.linalg.cholesky_ex(covariance)
    if bool(info != 0):
        raise ConfigError("the covariance is not positive definite; add a small ridge: c + 1e-6 * torch.eye(d)")
    return factor
