"""The squared distance that a radial kernel puts between a batch and a prior: what MMD, Energy and CramerWold share."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from lather.divergences.pairwise import cross_sum, pair_sum
from lather.divergences.profiles import Profile
from lather.priors.base import Prior

__all__ = ["RadialKernel", "kernel_distance"]


@runtime_checkable
class RadialKernel(Protocol):
    """A kernel k(x, y) = f(‖x − y‖²), and its averages under N(0, I_d)."""

    @property
    def at_zero(self) -> float:
        """f(0)."""
        ...

    def profile(self, d: int) -> Profile:
        """f and f′ for the pairwise engine."""
        ...

    def prior_mean(self, r2: Tensor, d: int) -> Tensor:
        """E k(x, Y) for ‖x‖² = r2, float64 (n,), differentiable."""
        ...

    def prior_self(self, d: int) -> float:
        """E k(Y, Y′)."""
        ...


def kernel_distance(
    z: Float[Tensor, "n d"],
    kernel: RadialKernel,
    prior: Prior,
    generator: torch.Generator | None,
    unbiased: bool,
) -> Float[Tensor, ""]:
    """E k(x, x′) − 2 E k(x, Y) + E k(Y, Y′) for x from the batch and Y from the prior, as a float64 scalar.

    Against N(0, I) the two averages over Y are exact; otherwise n draws from the prior stand for it.

    Args:
        z: latents (n, d).
        kernel: the kernel and its averages.
        prior: the law of Y.
        generator: source of the draws, where they are needed.
        unbiased: mean over the n(n−1) pairs i ≠ j (U-statistic), otherwise over all n² (V-statistic, never negative).
    """
    n, d = z.shape
    within = _pair_mean(z, kernel, unbiased)
    if prior.standard:
        r2 = z.double().square().sum(1)
        return within - 2 * kernel.prior_mean(r2, d).mean() + kernel.prior_self(d)
    y = prior.sample(n, generator=generator).detach().to(z)
    return within - 2 * cross_sum(z, y, kernel.profile(d)) / n**2 + _pair_mean(y, kernel, unbiased)


def _pair_mean(x: Tensor, kernel: RadialKernel, unbiased: bool) -> Tensor:
    n, d = x.shape
    pairs = 2 * pair_sum(x, kernel.profile(d))
    return pairs / (n * (n - 1)) if unbiased else (pairs + n * kernel.at_zero) / n**2
