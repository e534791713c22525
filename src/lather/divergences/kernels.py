"""More kernels for :class:`~lather.divergences.mmd.MMD`: Laplacian, rational quadratic, and mixtures of kernels."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lather.divergences.kernel_distance import RadialKernel
from lather.divergences.profiles import LaplacianProfile, MixedProfile, Profile, RationalProfile
from lather.divergences.scale_mixture import ScaleMixture, gamma_mixture, stable_mixture
from lather.errors import ConfigError
from lather.spec import Spec

__all__ = ["KernelMixture", "LaplacianKernel", "RationalQuadraticKernel"]


class LaplacianKernel(Spec):
    """k(x, y) = exp(−‖x − y‖ / h).

    Its cusp at 0 weighs fine structure more than a Gaussian does, and its tail is longer: it sees clusters at a
    bandwidth at which far samples still pull. Coinciding samples contribute no gradient to each other.

    Args:
        bandwidth: h, in units of the latent coordinates, positive; distances in N(0, I_d) are about √(2d).

    Raises:
        ConfigError: the bandwidth is not positive.
    """

    at_zero = 1.0

    def __init__(self, bandwidth: float | int = 1.0) -> None:
        self.bandwidth = _positive("a Laplacian kernel", "bandwidth", bandwidth)

    def profile(self, d: int) -> Profile:
        return LaplacianProfile(self.bandwidth)

    def prior_mean(self, r2: Tensor, d: int) -> tuple[Tensor, Tensor]:
        return _stable(self.bandwidth).prior_mean(r2, d)

    def prior_self(self, d: int) -> float:
        return _stable(self.bandwidth).prior_self(d)

    def null_variance(self, n: int, d: int) -> float:
        """Variance of the unbiased estimate under N(0, I_d) at n samples; see :meth:`MMD.null_variance`."""
        return _stable(self.bandwidth).null_variance(n, d)


class RationalQuadraticKernel(Spec):
    """k(x, y) = (1 + ‖x − y‖² / (2αh²))^{−α}: Gaussians of all bandwidths around h, the more mixed the smaller α.

    α → ∞ is the Gaussian kernel of bandwidth h; α = 1 is one inverse multiquadric of the WAE with C = 2h².

    Args:
        alpha: α, from 0.05 to 10 000; the tail falls like distance^{−2α}.
        bandwidth: h, in units of the latent coordinates, positive; about √d sees the whole of N(0, I_d).

    Raises:
        ConfigError: α out of range, or a bandwidth that is not positive.

    Reference:
        Bińkowski, Sutherland, Arbel, Gretton (2018), Demystifying MMD GANs, arXiv:1801.01401.
    """

    at_zero = 1.0

    def __init__(self, alpha: float | int = 1.0, bandwidth: float | int = 1.0) -> None:
        self.alpha = _positive("a rational quadratic kernel", "alpha", alpha)
        if not 0.05 <= self.alpha <= 1e4:
            raise ConfigError(
                f"a rational quadratic kernel needs alpha between 0.05 and 10000, got {alpha!r}; beyond, take "
                "GaussianKernel(bandwidth)"
            )
        self.bandwidth = _positive("a rational quadratic kernel", "bandwidth", bandwidth)
        self.rate = 2 * self.alpha * self.bandwidth**2

    def profile(self, d: int) -> Profile:
        return RationalProfile(self.alpha, 1 / self.rate)

    def prior_mean(self, r2: Tensor, d: int) -> tuple[Tensor, Tensor]:
        return _gamma(self.alpha, self.rate).prior_mean(r2, d)

    def prior_self(self, d: int) -> float:
        return _gamma(self.alpha, self.rate).prior_self(d)

    def null_variance(self, n: int, d: int) -> float:
        """Variance of the unbiased estimate under N(0, I_d) at n samples; see :meth:`MMD.null_variance`."""
        return _gamma(self.alpha, self.rate).null_variance(n, d)


class KernelMixture(Spec):
    """k = Σ_j w_j k_j: several kernels or bandwidths at once, one pass over the pairs.

    Args:
        kernels: any of the kernels of :class:`~lather.divergences.mmd.MMD`, at least one.
        weights: w_j, positive, one a kernel; ``None``: all 1.

    Raises:
        ConfigError: no kernel, or weights that are not positive or not as many.

    Example:
        >>> from lather.divergences import MMD, GaussianKernel
        >>> MMD(KernelMixture([GaussianKernel(1.0), LaplacianKernel(4.0)], weights=[0.5, 0.5]))
        MMD(kernel=KernelMixture((GaussianKernel(), LaplacianKernel(bandwidth=4.0)), weights=(0.5, 0.5)))
    """

    def __init__(self, kernels: Sequence[RadialKernel], weights: Sequence[float | int] | None = None) -> None:
        if not kernels:
            raise ConfigError("a kernel mixture needs at least one kernel, got none; MMD(GaussianKernel()) has one")
        if weights is not None and (len(weights) != len(kernels) or not all(0 < w < math.inf for w in weights)):
            raise ConfigError(
                f"a mixture of {len(kernels)} kernels needs as many finite weights above 0, got {weights!r}; "
                "None weighs all alike"
            )
        self.kernels = self.arguments["kernels"] = tuple(kernels)
        self.weights = (1.0,) * len(kernels) if weights is None else tuple(float(w) for w in weights)
        self.arguments["weights"] = None if weights is None else self.weights
        self.at_zero = sum(w * kernel.at_zero for w, kernel in zip(self.weights, self.kernels, strict=True))

    def profile(self, d: int) -> Profile:
        return MixedProfile([kernel.profile(d) for kernel in self.kernels], self.weights)

    def prior_mean(self, r2: Tensor, d: int) -> tuple[Tensor, Tensor]:
        both = [torch.stack(kernel.prior_mean(r2, d)) * w for w, kernel in zip(self.weights, self.kernels, strict=True)]
        mean, slope = torch.stack(both).sum(0).unbind()
        return mean, slope

    def prior_self(self, d: int) -> float:
        return sum(w * kernel.prior_self(d) for w, kernel in zip(self.weights, self.kernels, strict=True))


def _positive(what: str, name: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{what} needs a finite {name} above 0, got {value!r}; 1 is a start")
    return float(value)


@functools.lru_cache(maxsize=64)
def _stable(bandwidth: float) -> ScaleMixture:
    return stable_mixture(bandwidth)


@functools.lru_cache(maxsize=64)
def _gamma(alpha: float, rate: float) -> ScaleMixture:
    return gamma_mixture(alpha, rate)
