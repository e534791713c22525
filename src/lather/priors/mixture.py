"""Gaussian mixtures as priors."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
)

from lather.errors import ConfigError, ShapeError
from lather.priors.base import Prior

__all__ = ["GaussianMixture"]


class GaussianMixture(Prior):
    r"""Σ_j w_j N(μ_j, Σ_j) with diagonal or full covariances.

    Args:
        means: component means, (k, d).
        stds: standard deviations: one number for all, or (k, d). Give these or ``covariances``.
        covariances: full covariances, (k, d, d), each symmetric positive definite.
        weights: (k,), positive; normalised here. Default: equal.
        learned: train means, spreads and weights with the model, from these values on (needs a ``PosteriorKL``,
            whose Monte-Carlo estimate is what teaches them).

    Reference for learned ones: Tomczak, Welling, *VAE with a VampPrior*, 2018, arXiv:1705.07120, section 3.

    Raises:
        ShapeError: shapes that do not fit.
        ConfigError: weights or deviations that are not positive, a covariance that is not positive definite.

    Example:
        >>> prior = GaussianMixture(torch.tensor([[-2.0, 0.0], [2.0, 0.0]]), stds=0.5)
        >>> prior.sample(3).shape
        torch.Size([3, 2])
    """

    summary: ClassVar[str] = "a mixture of Gaussians: clusters, or what latents were found to follow"
    stored: ClassVar[frozenset[str]] = frozenset({"means", "stds", "covariances"})
    means: Tensor
    scales: Tensor
    log_weights: Tensor

    def __init__(
        self,
        means: Tensor,
        stds: float | Tensor | None = None,
        *,
        covariances: Tensor | None = None,
        weights: Tensor | None = None,
        learned: bool = False,
    ) -> None:
        super().__init__()
        if means.ndim != 2 or not means.is_floating_point() or 0 in means.shape:
            raise ShapeError(f"means must be a floating (k, d) tensor, got {means.dtype} {tuple(means.shape)}")
        k, self.d = means.shape
        if (stds is None) == (covariances is None):
            raise ConfigError("a mixture takes either stds= or covariances=, one of the two")
        weights = means.new_ones(k) if weights is None else weights.to(means)
        if weights.shape != (k,) or not bool((weights > 0).all()):
            raise ConfigError(f"weights must be {k} positive numbers, one a component, got {weights.tolist()}")
        scales = _scales(means.detach(), stds, covariances)
        start = {"means": means.detach().clone(), "log_weights": (weights / weights.sum()).log(), "scales": scales}
        self.learned = learned
        for name, value in start.items():
            if learned:
                self.register_parameter(name, nn.Parameter(_with_log_diagonal(value) if name == "scales" else value))
            else:
                self.register_buffer(name, value)

    @classmethod
    def scattered(
        cls, d: int, k: int = 10, std: float = 0.5, seed: int = 0, *, learned: bool = False
    ) -> GaussianMixture:
        """``k`` equal isotropic clusters whose means are drawn from N(0, (1 − std²) I).

        The mixture then has mean 0 and covariance I on average over seeds, so losses tuned for N(0, I) keep
        their scale.

        Args:
            d: latent dimensions.
            k: number of clusters.
            std: standard deviation of each, in (0, 1).
            seed: of the means.
            learned: whether all this is only where training starts.
        """
        if k < 1 or not 0 < std < 1:
            raise ConfigError(f"a scattered mixture needs k ≥ 1 clusters and 0 < std < 1, got k={k}, std={std}")
        means = torch.randn(k, d, generator=torch.Generator().manual_seed(seed)) * math.sqrt(1 - std**2)
        return cls(means, stds=std, learned=learned)

    @property
    def full(self) -> bool:
        """Whether covariances are full; ``scales`` then holds Cholesky factors.

        Learned ones are kept with the logarithm of what must be positive: of all deviations, or of the diagonals.
        """
        return self.scales.ndim == 3

    @property
    def spreads(self) -> Tensor:
        """Standard deviations (k, d), or Cholesky factors (k, d, d)."""
        if not self.learned:
            return self.scales
        if self.full:
            return self.scales.tril(-1) + torch.diag_embed(self.scales.diagonal(dim1=-2, dim2=-1).exp())
        return self.scales.exp()

    def forward(self) -> Distribution:
        component: Distribution
        if self.full:
            component = MultivariateNormal(self.means, scale_tril=self.spreads, validate_args=False)
        else:
            component = Independent(Normal(self.means, self.spreads, validate_args=False), 1, validate_args=False)
        return MixtureSameFamily(
            Categorical(logits=self.log_weights, validate_args=False), component, validate_args=False
        )

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        j = torch.multinomial(self.log_weights.softmax(0), n, replacement=True, generator=generator)
        noise = torch.randn(n, self.d, generator=generator, device=self.means.device, dtype=self.means.dtype)
        spreads = self.spreads
        if self.full:
            return self.means[j] + (spreads[j] @ noise.unsqueeze(-1)).squeeze(-1)
        return self.means[j] + spreads[j] * noise

    def along(self, directions: Float[Tensor, "m d"]) -> Distribution:
        means = directions @ self.means.T.to(directions)  # (m, k)
        scales = self.spreads.to(directions)
        if self.full:
            spread = torch.einsum("md,kde->mke", directions, scales).norm(dim=-1)
        else:
            spread = (directions.square() @ scales.square().T).sqrt()
        logits = self.log_weights.to(directions).expand_as(means)
        parts = Normal(means, spread, validate_args=False)
        return MixtureSameFamily(Categorical(logits=logits), parts, validate_args=False)


def _with_log_diagonal(scales: Tensor) -> Tensor:
    if scales.ndim == 2:
        return scales.log()
    return scales.tril(-1) + torch.diag_embed(scales.diagonal(dim1=-2, dim2=-1).log())


def _scales(means: Tensor, stds: float | Tensor | None, covariances: Tensor | None) -> Tensor:
    k, d = means.shape
    if covariances is not None:
        if covariances.shape != (k, d, d):
            raise ShapeError(f"covariances must be ({k}, {d}, {d}), got {tuple(covariances.shape)}")
        factors, info = torch.linalg.cholesky_ex(covariances.to(means))
        if bool((info != 0).any()):
            bad = (info != 0).nonzero().flatten().tolist()
            raise ConfigError(f"covariances of components {bad} are not positive definite; add a small ridge")
        return factors
    result = torch.as_tensor(stds, dtype=means.dtype, device=means.device).expand(k, d).clone()
    if not bool((result > 0).all()):
        raise ConfigError(f"standard deviations must be positive, got {stds}")
    return result
