"""Statistics of the empirical distribution function: Cramér–von Mises, Watson, Anderson–Darling, Kolmogorov–Smirnov."""

from __future__ import annotations

import functools
import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from lather.divergences.empirical_law import Law
from lather.divergences.sliced import SliceStatistic

__all__ = ["AndersonDarling", "CramerVonMises", "DistributionStatistic", "KolmogorovSmirnov", "Watson"]


class DistributionStatistic(SliceStatistic):
    """A statistic of u = F(x), which is uniform where x follows F; F = Φ for N(0, 1).

    It needs F itself, so it goes with priors that know the laws of their slices, N(0, I) and Gaussian mixtures
    (:meth:`~lather.priors.base.Prior.along`). A subclass implements :meth:`distance` on sorted u; it is computed in
    float64.

    Args:
        unbiased: expectation 0 when x follows F; ``False`` is the distance itself, never negative.
    """

    needs_law: ClassVar[bool] = True

    def __init__(self, unbiased: bool = True) -> None:
        super().__init__()
        self.unbiased = unbiased

    def against_normal(self, x: Float[Tensor, "k n"]) -> Float[Tensor, "k"]:
        ordered = x.double().sort(dim=1).values
        lower, upper = torch.special.log_ndtr(ordered), torch.special.log_ndtr(-ordered)
        return self.distance(torch.special.ndtr(ordered), lower, upper).to(x.dtype)

    def against_law(self, x: Float[Tensor, "k n"], law: Law) -> Float[Tensor, "k"]:
        """Compare row j of ``x`` with the j-th of a batch of k laws."""
        u = law.cdf(x.double().T).T.sort(dim=1).values
        tiny = torch.finfo(torch.float64).eps
        return self.distance(u, u.clamp_min(tiny).log(), (1 - u).clamp_min(tiny).log()).to(x.dtype)

    def distance(
        self, u: Float[Tensor, "k n"], lower: Float[Tensor, "k n"], upper: Float[Tensor, "k n"]
    ) -> Float[Tensor, "k"]:
        """The statistic of u, sorted in each row; ``lower`` = log u, ``upper`` = log(1 − u)."""
        raise NotImplementedError


class CramerVonMises(DistributionStatistic):
    r"""∫ (F_n − F)² dF = 1/12n² + mean_i (u_(i) − (i − ½)/n)², the classical W² divided by n.

    Unbiased by default: as a mean over pairs of h(u, v) = ⅓ − max(u, v) + (u² + v²)/2 it leaves out the pairs i = j,
    whose mean is 1/6. Then its expectation is ∫ (Q − F)² dF for samples from any Q, 0 for F, and may be slightly
    negative. The null mean of the other form is 1/6n. It sees shifts best, scale less, tails hardly; the pull on a
    sample far out vanishes with the density there. Cost O(n log n) a slice.

    Sees: shifts. Misses: scale, almost; tails; pulls on nothing far out. Null: mean 0, 1/6n in the other form.
    Cost: O(n log n) a slice.

    Reference:
        Anderson, Darling (1952), Asymptotic theory of certain "goodness of fit" criteria, Ann. Math. Stat. 23.

    Example:
        >>> x = torch.tensor([[-0.6745, 0.6745]])  # the quartiles: u = ¼, ¾
        >>> round(float(CramerVonMises(unbiased=False).against_normal(x)), 4) == round(1 / 48, 4)
        True
    """

    def distance(
        self, u: Float[Tensor, "k n"], lower: Float[Tensor, "k n"], upper: Float[Tensor, "k n"]
    ) -> Float[Tensor, "k"]:
        value = _cramer_von_mises(u)
        return _without_diagonal(value, 1 / 3 - u + u.square()) if self.unbiased else value


class Watson(DistributionStatistic):
    r"""Cramér–von Mises less its shift: 1/12n² + mean_i (u_(i) − (i − ½)/n)² − (ū − ½)², Watson's U² divided by n.

    It treats u as an angle, so where the axis is cut does not matter: it sees scale and bumps better than
    Cramér–von Mises, a shift less. Unbiased by default (the null mean of the other form is 1/12n exactly); the
    pairs i = j are constant, so both forms have the same minimiser. Cost O(n log n) a slice.

    Sees: scale and bumps. Misses: shifts, more than others do; pulls on nothing far out. Null: mean 0, 1/12n in the
    other form. Cost: O(n log n) a slice.

    Reference:
        Watson (1961), Goodness-of-fit tests on a circle, Biometrika 48.

    Example:
        >>> x = torch.tensor([[-0.6745, 0.6745]])
        >>> abs(float(Watson().against_normal(x)) + 1 / 24) < 1e-4
        True
    """

    def distance(
        self, u: Float[Tensor, "k n"], lower: Float[Tensor, "k n"], upper: Float[Tensor, "k n"]
    ) -> Float[Tensor, "k"]:
        value = _cramer_von_mises(u) - (u.mean(1) - 0.5).square()
        return _without_diagonal(value, torch.full_like(u, 1 / 12)) if self.unbiased else value


class AndersonDarling(DistributionStatistic):
    r"""∫ (F_n − F)² / (F(1−F)) dF = −1 − mean_i (2i−1)/n · (log u_(i) + log(1 − u_(n+1−i))), A² divided by n.

    The weight makes both tails count as the middle does. Unbiased by default, as a mean over pairs of h(u, v) =
    −log max(u, v) − log(1 − min(u, v)) − 1 without i = j, which have mean 1; the null mean of the other form is 1/n
    exactly. In that form the pull on a sample far out grows with its distance, all of it from i = j; the unbiased one
    does not pull the single farthest sample of a side, only those behind it. Cost O(n log n) a slice.

    Sees: tails as well as the middle. Misses: the single farthest sample of each side. Null: mean 0, 1/n in the
    other form. Cost: O(n log n) a slice.

    Reference:
        Anderson, Darling (1954), A test of goodness of fit, JASA 49.

    Example:
        >>> value = AndersonDarling(unbiased=False).against_normal(torch.zeros(1, 2))
        >>> round(float(value), 4) == round(-1 + 2 * 0.693147, 4)
        True
    """

    def distance(
        self, u: Float[Tensor, "k n"], lower: Float[Tensor, "k n"], upper: Float[Tensor, "k n"]
    ) -> Float[Tensor, "k"]:
        n = u.shape[1]
        weight = (2 * torch.arange(n, dtype=u.dtype, device=u.device) + 1) / n
        value = -1 - (weight * (lower + upper.flip(1))).mean(1)
        return _without_diagonal(value, -lower - upper - 1) if self.unbiased else value


class KolmogorovSmirnov(DistributionStatistic):
    r"""sup |F_n − F| = max_i max(i/n − u_(i), u_(i) − (i−1)/n).

    Its gradient is that of the one sample where the largest gap is, so as a loss it is slow and noisy; as a
    number it is the best known of all. Unbiased subtracts the exact null mean (√(π/2) ln 2 / √n or so), which centres
    the value but leaves the gradient as it is: minimised by a scale other than 1. Cost O(n log n) a slice.

    Sees: the largest gap, wherever it is. Misses: everything but that gap, as a loss. Null: mean 0 after
    subtracting the exact one. Cost: O(n log n) a slice.

    Reference:
        Kolmogorov (1933), Sulla determinazione empirica di una legge di distribuzione, G. Ist. Ital. Attuari 4.
        Simard, L'Ecuyer (2011), Computing the two-sided Kolmogorov–Smirnov distribution, J. Stat. Software 39.

    Example:
        >>> float(KolmogorovSmirnov(unbiased=False).against_normal(torch.zeros(1, 4)))
        0.5
    """

    @property
    def null_rate(self) -> float:
        return 0.5

    def distance(
        self, u: Float[Tensor, "k n"], lower: Float[Tensor, "k n"], upper: Float[Tensor, "k n"]
    ) -> Float[Tensor, "k"]:
        n = u.shape[1]
        below = torch.arange(n, dtype=u.dtype, device=u.device) / n
        gap = torch.maximum(below + 1 / n - u, u - below).amax(1)
        return gap - null_mean_ks(n) if self.unbiased else gap


@functools.lru_cache(maxsize=256)
def null_mean_ks(n: int) -> float:
    """E sup |F_n − F| for n true draws: from the exact law up to n = 256, beyond from its expansion, to 5 digits.

    Example:
        >>> round(null_mean_ks(1), 10)  # E max(u, 1 − u)
        0.75
    """
    if n > 256:
        root = math.sqrt(n)
        return (math.sqrt(math.pi / 2) * math.log(2) - 1 / (6 * root) + 0.0373 / n) / root  # the last by fit
    from scipy import integrate, stats

    return float(integrate.quad(lambda gap: float(stats.kstwo.sf(gap, n)), 0, min(1.0, 5 / n**0.5), limit=200)[0])


def _cramer_von_mises(u: Tensor) -> Tensor:
    n = u.shape[1]
    positions = (torch.arange(n, dtype=u.dtype, device=u.device) + 0.5) / n
    return 1 / (12 * n**2) + (u - positions).square().mean(1)


def _without_diagonal(value: Tensor, diagonal: Tensor) -> Tensor:
    """The U-statistic of a mean over all n² pairs, from its kernel at the pairs i = j (k, n)."""
    n = diagonal.shape[1]
    return (n * value - diagonal.mean(1)) / (n - 1)
