"""Maximum mean discrepancy, with a Gaussian, the inverse multiquadric or any other radial kernel."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from lather.divergences.base import Divergence
from lather.divergences.kernel_distance import RadialKernel, kernel_distance
from lather.divergences.null_variance import pair_null_moments
from lather.divergences.profiles import GaussianProfile, InverseQuadraticProfile, Profile
from lather.divergences.radial_fit import RadialFit
from lather.divergences.special import imq_mean
from lather.errors import ConfigError
from lather.priors.base import Prior
from lather.spec import Spec

__all__ = ["MMD", "GaussianKernel", "IMQKernel"]


class GaussianKernel(Spec):
    """k(x, y) = exp(−‖x − y‖² / 2h²).

    At h = 1 it sees fine structure (clusters, uniform marginals) that wide kernels miss, but it fades where
    samples are far apart, as they all are in high dimension: there take h of the order of √d.

    Args:
        bandwidth: h, in units of the latent coordinates, positive.

    Raises:
        ConfigError: the bandwidth is not positive.
    """

    at_zero = 1.0

    def __init__(self, bandwidth: float | int = 1.0) -> None:
        if not (math.isfinite(bandwidth) and bandwidth > 0):
            raise ConfigError(f"a Gaussian kernel needs a finite bandwidth above 0, got {bandwidth!r}; √d is a start")
        self.bandwidth = float(bandwidth)

    def profile(self, d: int) -> Profile:
        return GaussianProfile(0.5 / self.bandwidth**2)

    def prior_mean(self, r2: Tensor, d: int) -> tuple[Tensor, Tensor]:
        h2 = self.bandwidth**2
        rate = 0.5 / (1 + h2)
        mean = torch.exp(-rate * r2 - 0.5 * d * math.log1p(1 / h2))
        return mean, -rate * mean

    def prior_self(self, d: int) -> float:
        return math.exp(-0.5 * d * math.log1p(2 / self.bandwidth**2))

    def null_variance(self, n: int, d: int) -> float:
        """Variance of the unbiased estimate under N(0, I_d) at n samples; see :meth:`MMD.null_variance`."""
        b = self.bandwidth**-2
        mixed = (1 + b) * (1 + 3 * b)
        square = (1 + 4 * b) ** (-d / 2) - 2 * mixed ** (-d / 2) + (1 + 2 * b) ** -d
        return 2 * square / (n * (n - 1))


class IMQKernel(Spec):
    """k(x, y) = Σ_s C/(C + ‖x − y‖²) with C = 2ds (to 2⁻¹⁸ of 2d): the inverse multiquadric at the scales of the WAE.

    2d is the mean squared distance of two draws from N(0, I_d), so the scales are relative to it. Heavy tails
    keep a gradient on samples far away.

    Args:
        scales: the s to sum over, each positive.

    Raises:
        ConfigError: no scale, or one that is not positive.

    Reference:
        Tolstikhin, Bousquet, Gelly, Schölkopf (2018), Wasserstein Auto-Encoders, arXiv:1711.01558.
    """

    def __init__(self, scales: Sequence[float | int] = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)) -> None:
        if not scales or not all(math.isfinite(s) and s > 0 for s in scales):
            raise ConfigError(f"an IMQ kernel needs one or more finite scales above 0, got {scales!r}")
        self.scales = self.arguments["scales"] = tuple(float(s) for s in scales)
        self.at_zero = float(len(self.scales))

    def profile(self, d: int) -> Profile:
        return InverseQuadraticProfile(_constants(self.scales, d))

    def prior_mean(self, r2: Tensor, d: int) -> tuple[Tensor, Tensor]:
        return _imq_fit(self.scales, d)(r2)

    def prior_self(self, d: int) -> float:
        return _imq_self(self.scales, d)


def _constants(scales: tuple[float, ...], d: int) -> list[float]:
    """C = 2ds, rounded to 2⁻¹⁸ of 2d.

    C + D is then rounded for some pairs up and for others down in float32; a C with more digits than D has would be
    rounded alike for all, and the error would not average out.
    """
    grid = 2.0 ** (math.floor(math.log2(2 * d)) - 18)
    return [max(round(2 * d * s / grid), 1) * grid for s in scales]


@functools.lru_cache(maxsize=64)
def _imq_fit(scales: tuple[float, ...], d: int) -> RadialFit:
    middle = d * math.sqrt((1 + 2 * min(scales)) * (1 + 2 * max(scales)))  # between the poles, near −(C + d)
    return RadialFit(lambda r2: sum((imq_mean(r2, c, d) for c in _constants(scales, d)), r2 * 0), a=middle, power=1.0)


@functools.lru_cache(maxsize=64)
def _imq_self(scales: tuple[float, ...], d: int) -> float:
    zero = torch.zeros((), dtype=torch.float64)
    return sum(float(imq_mean(zero, c / 2, d)) for c in _constants(scales, d))


class MMD(Divergence):
    r"""Squared maximum mean discrepancy E k(x, x′) − 2 E k(x, Y) + E k(Y, Y′), x from the batch, Y from the prior.

    Unbiased by default: expectation 0 under the prior at any n, the latent scale that minimises it is 1, and it may be
    slightly negative. Not multiplied by n. Against N(0, I) both averages over Y are exact: every kernel here is a
    scale mixture of Gaussians, so it needs no prior draws, which halves the variance of the usual estimate. Cost
    O(n² d), memory O(n d).

    Sees: mean and covariance with the wide default kernel; a bandwidth of 1 sees tails and clusters in few
    dimensions. Misses: single bad axes among many; a Gaussian kernel loses its gradient under collapse and far out.
    Null: mean 0, its spread in closed form for Gaussian kernels. Cost: O(n² d), no prior draws against N(0, I).

    Args:
        kernel: :class:`IMQKernel` (default), :class:`GaussianKernel`,
            :class:`~lather.divergences.kernels.LaplacianKernel`,
            :class:`~lather.divergences.kernels.RationalQuadraticKernel` or a
            :class:`~lather.divergences.kernels.KernelMixture` of them.
        unbiased: mean over pairs i ≠ j; ``False`` gives the V-statistic over all pairs, non-negative, which is
            minimised by latents of a scale below 1.

    References:
        Gretton, Borgwardt, Rasch, Schölkopf, Smola (2012), A kernel two-sample test, JMLR 13.
        Tolstikhin et al. (2018), Wasserstein Auto-Encoders, arXiv:1711.01558.

    Example:
        >>> from lather.priors import StandardNormal
        >>> z = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
        >>> float(MMD()(z + 1, StandardNormal(8))) > float(MMD()(z, StandardNormal(8)))
        True
    """

    summary: ClassVar[str] = "maximum mean discrepancy with an inverse multiquadric (WAE), Gaussian or other kernel"

    def __init__(self, kernel: RadialKernel | None = None, unbiased: bool = True) -> None:
        super().__init__()
        self.kernel = self.arguments["kernel"] = IMQKernel() if kernel is None else kernel
        self.unbiased = unbiased

    def estimate(self, z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> Float[Tensor, ""]:
        return kernel_distance(z, self.kernel, prior, generator, self.unbiased)

    def needs(self, prior: Prior) -> str:
        return "closed form" if prior.standard else "prior samples"

    def null_moments(self, prior: Prior, n: int) -> tuple[float | None, float | None]:
        return pair_null_moments(self.kernel, prior, n, self.unbiased)

    def null_variance(self, n: int, d: int) -> float:
        """Exact variance of the estimate for n draws from N(0, I_d).

        Raises:
            ConfigError: the kernel does not know it (Gaussian, Laplacian and rational quadratic do) or the estimate is
                the V-statistic, whose variance is not known in closed form.
        """
        known = getattr(self.kernel, "null_variance", None)
        if not self.unbiased or known is None:
            raise ConfigError(
                "the null variance is known for MMD of a GaussianKernel, LaplacianKernel or RationalQuadraticKernel, "
                f"unbiased; not for {self!r}"
            )
        return float(known(n, d))
