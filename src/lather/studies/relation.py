"""Do two numbers go together over all runs? Rank correlation with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Relation", "relation"]

_RESAMPLES = 2_000


@dataclass(frozen=True)
class Relation:
    """Spearman's ρ with a bootstrap interval.

    Attributes:
        rho: 1 where ranks agree, −1 where they are reversed, 0 for none.
        low, high: 95% percentile interval over resampled runs; NaN below 4 runs.
        n: runs.
    """

    rho: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.rho:.2f}"
        return f"{self.rho:.2f} ({self.low:.2f} to {self.high:.2f})"


def relation(x: Sequence[float], y: Sequence[float], *, seed: int = 0) -> Relation:
    """Spearman's rank correlation over the pairs of which both are numbers (infinities count as largest).

    Example:
        >>> found = relation([1, 2, 3, 4, 5, 6], [2, 4, 6, 9, 11, 30])
        >>> found.rho, found.low
        (1.0, 1.0)
    """
    from scipy.stats import rankdata

    pairs = np.array([(a, b) for a, b in zip(x, y, strict=True) if not (math.isnan(a) or math.isnan(b))], dtype=float)
    n = len(pairs)
    if n < 3:
        return Relation(math.nan, math.nan, math.nan, n)

    def rho(chosen: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of (k, n, 2) samples of pairs, (k,)."""
        a, b = (rankdata(chosen[..., i], axis=1) - (n + 1) / 2 for i in (0, 1))
        scale = np.sqrt((a**2).sum(1) * (b**2).sum(1))
        return np.divide((a * b).sum(1), scale, out=np.zeros(len(chosen)), where=scale > 0)

    whole = float(rho(pairs[None])[0])
    if n < 4:
        return Relation(whole, math.nan, math.nan, n)
    again = np.random.default_rng(seed).integers(0, n, (_RESAMPLES, n))
    low, high = np.quantile(rho(pairs[again]), [0.025, 0.975])
    return Relation(whole, float(low), float(high), n)
