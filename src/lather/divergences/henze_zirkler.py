"""The Henze–Zirkler statistic."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from lather.divergences.base import Divergence
from lather.divergences.kernel_distance import kernel_distance
from lather.divergences.mmd import GaussianKernel
from lather.divergences.null_variance import pair_null_moments
from lather.errors import CapabilityError, ConfigError, ShapeError
from lather.priors.base import Prior

__all__ = ["HenzeZirkler"]


class HenzeZirkler(Divergence):
    r"""∫ |ψ_n(t) − e^{−‖t‖²/2}|² dN(0, β²I)(t), ψ_n the characteristic function: the BHEP statistic, divided by n.

    It is the squared MMD with a Gaussian kernel of bandwidth 1/β; Henze and Zirkler's contribution is the β of an
    optimal density estimate, β = ((2d+1) n / 4)^{1/(d+4)} / √2. Their test is for *some* normal law, on latents made
    white first (``studentize=True``); as a divergence from N(0, I) it takes the latents as they are.

    Unbiased by default: expectation 0 under the prior, may be slightly negative. It sees fine structure in few
    dimensions; in many it sees nothing: at d = 64 its gradient is about 1e-13. Take :class:`MMD` with a bandwidth of
    √d or :class:`Energy` there. Cost O(n² d), memory O(n d).

    Sees: fine structure in few dimensions: tails, clusters. Misses: everything in many dimensions, where kernel and
    gradient vanish. Null: mean 0. Cost: O(n² d).

    Args:
        beta: β, positive; ``None`` is Henze and Zirkler's.
        unbiased: mean over pairs i ≠ j; ``False`` takes all n² pairs, never negative.
        studentize: subtract the mean and whiten with the covariance (divided by n) first: the classical statistic,
            blind to both. Needs n > d, and ``unbiased=False``, since no form of it has null mean 0.

    Raises:
        ConfigError: β is not positive, or studentized and unbiased.
        ShapeError: studentized with n ≤ d.

    References:
        Henze, Zirkler (1990), A class of invariant consistent tests for multivariate normality, Comm. Stat. 19.
        Baringhaus, Henze (1988), A consistent test for multivariate normality, Metrika 35.

    Example:
        >>> from lather.divergences import MMD
        >>> from lather.priors import StandardNormal
        >>> z = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
        >>> bool(HenzeZirkler(beta=0.5)(z, StandardNormal(3)) == MMD(GaussianKernel(2.0))(z, StandardNormal(3)))
        True
    """

    summary: ClassVar[str] = "Henze–Zirkler (BHEP): Gaussian MMD at the bandwidth of a density estimate"

    def __init__(self, beta: float | int | None = None, unbiased: bool = True, studentize: bool = False) -> None:
        super().__init__()
        if beta is not None and not (math.isfinite(beta) and beta > 0):
            raise ConfigError(f"HenzeZirkler needs a finite beta above 0, got {beta!r}; None is the authors' choice")
        if studentize and unbiased:
            raise ConfigError(
                "HenzeZirkler on whitened latents has no unbiased form; ask for unbiased=False with it, or for "
                "studentize=False"
            )
        self.beta = beta
        self.unbiased = unbiased
        self.studentize = studentize

    def smoothing(self, n: int, d: int) -> float:
        """β for n samples in d dimensions."""
        if self.beta is not None:
            return float(self.beta)
        return float(((2 * d + 1) * n / 4) ** (1 / (d + 4)) / math.sqrt(2))

    def estimate(self, z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> Float[Tensor, ""]:
        kernel = GaussianKernel(1 / self.smoothing(*z.shape))
        return kernel_distance(_white(z) if self.studentize else z, kernel, prior, generator, self.unbiased)

    def check(self, prior: Prior) -> None:
        if not prior.standard:
            raise CapabilityError(
                f"HenzeZirkler tests for a normal law, not for {prior!r}; use StandardNormal, or "
                "MMD(GaussianKernel(...)), the same statistic for any prior"
            )

    def needs(self, prior: Prior) -> str:
        return "closed form"

    def null_moments(self, prior: Prior, n: int) -> tuple[float | None, float | None]:
        if self.studentize:
            return None, None
        return pair_null_moments(GaussianKernel(1 / self.smoothing(n, prior.d)), prior, n, self.unbiased)


def _white(z: Tensor) -> Tensor:
    """Latents of mean 0 and covariance I."""
    n, d = z.shape
    if n <= d:
        raise ShapeError(f"whitening needs more samples than dimensions, got n={n}, d={d}; use studentize=False")
    centred = z - z.mean(0)
    return math.sqrt(n) * torch.linalg.qr(centred).Q
