"""Mardia's multivariate skewness and kurtosis."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from lather.divergences.base import Divergence
from lather.errors import CapabilityError, ShapeError
from lather.priors.base import Prior

__all__ = ["Mardia", "mardia_moments", "mardia_null"]


class Mardia(Divergence):
    r"""Mardia's skewness and kurtosis on one scale, with their exact null moments taken off.

    With g_ij = (x_i − m)ᵀ S⁻¹ (x_j − m), b₁ the mean of g_ij³ over all pairs and b₂ that of g_ii²:

    .. math:: \tfrac16 (b_1 − E b_1) + \frac{(b_2 − E b_2)^2 − \operatorname{Var} b_2}{8 d (d+2)}

    Both terms have expectation 0 for normal samples of *any* mean and covariance, at every n > d: the usual asymptotic
    moments reject 98% of true normals at n = 200, d = 64. So it is blind to mean and covariance by construction, and a
    complement to :class:`~lather.divergences.gaussian_fit.GaussianFit`; for N(0, I) itself
    :class:`~lather.divergences.hermite.HermiteLadder` sees all of it. May be negative. Cost O(n² d), memory O(n²).

    Sees: skewness and kurtosis. Misses: mean and covariance, by construction. Null: mean 0, its moments exact.
    Cost: O(n² d), memory O(n²).

    Args:
        unbiased: ``False`` leaves the null moments in: b₁/6 + (b₂ − d(d+2))²/8d(d+2), never negative.

    Raises:
        ShapeError: n ≤ d, where S is singular.

    References:
        Mardia (1970), Measures of multivariate skewness and kurtosis with applications, Biometrika 57.
        Mardia (1974), Applications of some measures of multivariate skewness and kurtosis, Sankhyā B 36.

    Example:
        >>> from lather.priors import StandardNormal
        >>> z = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
        >>> float(Mardia()(z.exp(), StandardNormal(3))) > 100 * abs(float(Mardia()(5 * z + 2, StandardNormal(3))))
        True
    """

    summary: ClassVar[str] = "Mardia's skewness and kurtosis, exactly centred: shape apart from mean and covariance"

    def __init__(self, unbiased: bool = True) -> None:
        super().__init__()
        self.unbiased = unbiased

    def estimate(self, z: Float[Tensor, "n d"], prior: Prior, generator: torch.Generator | None) -> Float[Tensor, ""]:
        n, d = z.shape
        skewness, kurtosis = mardia_moments(z)
        if not self.unbiased:
            value = skewness / 6 + (kurtosis - d * (d + 2)).square() / (8 * d * (d + 2))
        else:
            mean1, mean2, variance2 = mardia_null(n, d)
            value = (skewness - mean1) / 6 + ((kurtosis - mean2).square() - variance2) / (8 * d * (d + 2))
        return value.to(z.dtype)

    def check(self, prior: Prior) -> None:
        if not prior.standard:
            raise CapabilityError(
                f"Mardia's moments are those of a normal law, not of {prior!r}; use StandardNormal, or MMD, Energy or "
                "Sliced(...), which take any prior"
            )

    def needs(self, prior: Prior) -> str:
        return "closed form"

    def null_moments(self, prior: Prior, n: int) -> tuple[float | None, float | None]:
        if self.unbiased:
            return 0.0, None
        d = prior.d
        mean1, mean2, variance2 = mardia_null(n, d)
        return mean1 / 6 + (variance2 + (mean2 - d * (d + 2)) ** 2) / (8 * d * (d + 2)), None


def mardia_moments(z: Float[Tensor, "n d"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Skewness b₁ and kurtosis b₂ in float64, differentiable; invariant under affine maps of the latents.

    Raises:
        ShapeError: n ≤ d.
    """
    n, d = z.shape
    if n <= d:
        raise ShapeError(
            f"Mardia's moments need more samples than dimensions, got n={n}, d={d}: the covariance is singular; use at "
            f"least {d + 1} samples, or HermiteLadder, which takes any n ≥ 2"
        )
    x = z.double()
    centred = x - x.mean(0)
    alarm = 0.0 * centred.sum()  # NaN if there is one; asking for it would make the host wait for the device
    q = torch.linalg.qr(centred.nan_to_num(0.0, 0.0, 0.0)).Q  # g = n q qᵀ
    g = n * (q @ q.T)
    return g.pow(3).mean() + alarm, g.diagonal().square().mean() + alarm


def mardia_null(n: int, d: int) -> tuple[float, float, float]:
    """E b₁, E b₂ and Var b₂ for n > d draws from any normal law of d dimensions, exact.

    Example:
        >>> mardia_null(9, 2)[1]
        6.4
    """
    mean1 = d * (d + 2) * ((n + 1) * (d + 1) - 6) / ((n + 1) * (n + 3))
    mean2 = d * (d + 2) * (n - 1) / (n + 1)
    variance2 = 8 * d * (d + 2) * (n - 3) * (n - d - 1) * (n - d + 1) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    return mean1, mean2, variance2
