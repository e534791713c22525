"""Two samples of one score: how often is a draw of the first larger than one of the second?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lather.divergences.detection import DetectionSize
from lather.divergences.hermite_null import P_FLOOR

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """P(x > y), ties counted half.

    Args:
        auc: the estimate; ½ where both come from one law.
        error: its standard error (DeLong).
        null: how far from ½ it stays 95 times in 100 under one law.
        z: its distance from ½ in standard deviations of that null.
        p: Mann–Whitney, two-sided.
        p_is_bound: whether ``p`` is an upper bound.
        variation: a lower bound of the total variation distance that holds with probability 95%.
    """

    auc: float
    error: float
    null: float
    z: float
    p: float
    p_is_bound: bool
    variation: float
    n: int

    @property
    def n_star(self) -> DetectionSize:
        """Samples x whose ranks among *all* of y tell the difference every other time: (1.96/(AUC − ½))²/12."""
        return self.samples(1 / 12)

    def samples(self, variance: float) -> DetectionSize:
        """The same where the statistic's null variance at n samples is ``variance`` / n."""
        off = abs(self.auc - 0.5)
        if self.p > 0.05 or off == 0:
            return DetectionSize(math.inf, float(self.n), math.inf, self.n)

        def size(gap: float) -> float:
            return max(2.0, variance * (1.96 / gap) ** 2) if gap > 0 else math.inf

        return DetectionSize(size(off), size(off + 1.96 * self.error), size(off - 1.96 * self.error), self.n)


def compare(x: Float[Tensor, "m"], y: Float[Tensor, "n"], *, level: float = 0.05) -> Comparison:
    r"""Mann–Whitney's test of x against y, and what the two samples prove about the distance of their laws.

    By Dvoretzky, Kiefer and Wolfowitz (with Massart's constant) each empirical distribution function is within
    √(½ log(4/α)/m) of its own with probability 1 − α/2, so that

    .. math:: TV ≥ \sup|F_m − G_n| − \sqrt{½ \log(4/α)}\,(m^{−½} + n^{−½})

    with probability 1 − α, whatever the laws.

    Args:
        x, y: scores; infinite ones are ranked, NaN are not allowed.
        level: α.

    Example:
        >>> found = compare(torch.arange(50.0) + 1000, torch.arange(50.0))
        >>> found.auc, found.p < 1e-10, round(found.variation, 2)
        (1.0, True, 0.41)
    """
    from scipy import stats

    m, n = len(x), len(y)
    above, below = _placements(x, y), _placements(y, x)
    auc = float(above.mean())
    error = math.sqrt(float(above.var()) / m + float(below.var()) / n)
    sd = math.sqrt((m + n + 1) / (12 * m * n))
    p = float(stats.mannwhitneyu(x.numpy(), y.numpy()).pvalue)
    gap = float(stats.ks_2samp(x.numpy(), y.numpy(), method="asymp").statistic)
    certain = gap - math.sqrt(0.5 * math.log(4 / level)) * (m**-0.5 + n**-0.5)
    return Comparison(
        auc, error, 1.96 * sd, (auc - 0.5) / sd, max(p, P_FLOOR), p < P_FLOOR, max(certain, 0.0), min(m, n)
    )


def _placements(x: Tensor, y: Tensor) -> Tensor:
    """Share of y below each x, ties half."""
    order, x = y.sort().values.contiguous(), x.contiguous()
    return (torch.searchsorted(order, x) + torch.searchsorted(order, x, right=True)).double() / (2 * len(y))
