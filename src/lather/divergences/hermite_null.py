"""What true prior samples score on the Hermite ladder: p-values, noise floor and detection size.

T = sqrt(n(n−1))·U_k has mean 0 and variance exactly 2N, N = C(d+k−1, k), for every n and d; for large n it is
χ²_N − N. Two exact corrections make the p-value hold where n is small:

- the third moment is known exactly, too: with E K₂³ = d(d²+3d+4), E K₄³ = d(d+2)(d⁴+13d³+75d²+219d+268)/8 and
  E K₁³ = E K₃³ = 0, E T³ = 4/sqrt(n(n−1)) E K³ + 8 (n−2)/sqrt(n(n−1)) N. A shifted, scaled χ² (Pearson's type
  III law) is matched in mean, variance and skewness; as n grows it becomes χ²_N − N itself.
- in very few dimensions at small n the kurtosis step is too heavy-tailed for any three moments, and there
  simulation is cheap: 1999 null samples with a fixed seed, and the add-one rule, which is valid at every n and d.
"""

from __future__ import annotations

import functools
import math
from itertools import combinations_with_replacement
from math import comb

import numpy as np
import torch
from numpy.typing import NDArray

from lather.divergences.detection import DetectionSize
from lather.divergences.hermite import ORDERS, HermiteSums, null_sd

__all__ = ["P_FLOOR", "detection_size", "ladder_pvalue", "ladder_quantile", "null_skewness"]

P_FLOOR = 1e-16  #: no p-value is reported below this: the tail of an approximation is not to be trusted further
_DRAWS = 1999
_CHEAP = 25_000  # n · C(d+3, 4) up to which the null is simulated (well under a second)


def ladder_pvalue(sums: HermiteSums, k: int) -> tuple[float, bool]:
    """Probability that n true prior samples score U_k at least as high, and whether it is only an upper bound.

    Example:
        >>> sums = HermiteSums(1000, 8, (0.5, 0.0, 0.0, 0.0), (0.01,) * 4)
        >>> ladder_pvalue(sums, 1)
        (1e-16, True)
    """
    u = sums.effects[k - 1]
    simulated = _simulated(sums.n, sums.d)
    if simulated is not None:
        above = int((simulated[k - 1] >= u).sum())
        return (1 + above) / (1 + _DRAWS), above == 0
    from scipy import stats

    p = float(stats.pearson3.sf(u / null_sd(sums.n, sums.d, k), null_skewness(sums.n, sums.d, k)))
    return max(p, P_FLOOR), p < P_FLOOR


def ladder_quantile(n: int, d: int, k: int, level: float = 0.95) -> float:
    """The value that U_k stays below with probability ``level`` for n true prior samples: the noise floor."""
    simulated = _simulated(n, d)
    if simulated is not None:
        return float(np.quantile(simulated[k - 1], level))
    from scipy import stats

    return float(stats.pearson3.ppf(level, null_skewness(n, d, k))) * null_sd(n, d, k)


def detection_size(sums: HermiteSums, k: int, *, level: float = 0.05) -> DetectionSize:
    """Samples at which the test on U_k finds an effect of the size seen with power ½, in closed form.

    Under an alternative with moments Δ_k, N + sqrt(n(n−1))·U_k is close to a noncentral χ²_N with noncentrality
    λ = sqrt(n(n−1))·Δ_k. Power ½ means that its median, N + λ − ⅔(N+3λ)/(N+2λ), equals the critical value of
    χ²_N; that fixes λ, and n*(n*−1) = (λ/Δ_k)². The estimate U_k stands in for Δ_k. Simulated power at n* is .40 to .56
    for shifts, scales and t₃₀ tails in 16 or 64 dimensions; heavy tails in very few dimensions skew U₄, and there it
    is nearer .3. Light tails in d = 1 go the other way: n* is conservative there, with power up to ¾.
    """
    from scipy import stats

    u, error = sums.effects[k - 1], sums.errors[k - 1]
    p, _ = ladder_pvalue(sums, k)
    if p > level or u <= 0:
        return DetectionSize(math.inf, float(sums.n), math.inf, sums.n)
    dof = comb(sums.d + k - 1, k)
    critical = float(stats.chi2.ppf(1 - level, dof))
    needed = critical - dof
    for _ in range(50):  # a contraction: the correction moves between ⅔ and 1
        needed = critical - dof + (2 / 3) * (dof + 3 * needed) / (dof + 2 * needed)

    def size(effect: float) -> float:
        return max(2.0, 0.5 + math.sqrt(0.25 + (needed / effect) ** 2)) if effect > 0 else math.inf

    return DetectionSize(size(u), size(u + 1.96 * error), size(u - 1.96 * error), sums.n)


def null_skewness(n: int, d: int, k: int) -> float:
    """Skewness of U_k for n true prior samples, exact.

    Example:
        >>> round(null_skewness(100, 8, 1), 6), round((8 / 8) ** 0.5, 6)  # finite n, and its limit √(8/N)
        (0.984937, 1.0)
    """
    dof = comb(d + k - 1, k)
    cubed = {2: d * (d * d + 3 * d + 4), 4: d * (d + 2) * (d**4 + 13 * d**3 + 75 * d**2 + 219 * d + 268) / 8}
    third = (4 * cubed.get(k, 0) + 8 * (n - 2) * dof) / math.sqrt(n * (n - 1))
    return float(third / (2 * dof) ** 1.5)


@functools.lru_cache(maxsize=16)
def _simulated(n: int, d: int) -> NDArray[np.float64] | None:
    """U_1 … U_4 of 1999 null samples, (4, 1999), where that is cheap; else None."""
    if n * comb(d + 3, 4) > _CHEAP:
        return None
    generator = torch.Generator().manual_seed(1970)
    out = []
    chunk = max(1, 2_000_000 // (n * comb(d + 3, 4)))
    for start in range(0, _DRAWS, chunk):
        m = min(chunk, _DRAWS - start)
        z = torch.randn(m, n, d, generator=generator, dtype=torch.float64)
        h = [torch.ones_like(z), z, (z**2 - 1) / 2**0.5, (z**3 - 3 * z) / 6**0.5, (z**4 - 6 * z**2 + 3) / 24**0.5]
        rungs = []
        for k in ORDERS:
            total = z.new_zeros(m)
            for alpha in combinations_with_replacement(range(d), k):
                feature = z.new_ones(m, n)
                for axis in set(alpha):
                    feature = feature * h[alpha.count(axis)][..., axis]
                total += feature.sum(1).square() - feature.square().sum(1)
            rungs.append(total / (n * (n - 1)))
        out.append(torch.stack(rungs))
    return torch.cat(out, dim=1).numpy()
