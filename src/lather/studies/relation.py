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
        low, high: 95% percentile interval over resampled groups; NaN below 4 groups.
        n: runs.
        groups: kinds of runs.
    """

    rho: float
    low: float
    high: float
    n: int
    groups: int = 0

    @property
    def sure(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.rho:.2f}"
        return f"{self.rho:.2f} ({self.low:.2f} to {self.high:.2f})"


def relation(x: Sequence[float], y: Sequence[float], groups: Sequence[str] | None = None, *, seed: int = 0) -> Relation:
    """Spearman's rank correlation over the pairs of which both are numbers (infinities count as largest).

    Args:
        x, y: one number for each run.
        groups: what kind of run each is. Runs of a kind are resampled together, because they are alike: three seeds
            of ten methods are ten pieces of evidence, not thirty. By default every run is its own kind.
        seed: of the bootstrap.

    Example:
        >>> found = relation([1, 2, 3, 4, 5, 6], [2, 4, 6, 9, 11, 30])
        >>> found.rho, found.low
        (1.0, 1.0)
    """
    kinds = [str(i) for i in range(len(x))] if groups is None else groups
    known = [(a, b, k) for a, b, k in zip(x, y, kinds, strict=True) if not (math.isnan(a) or math.isnan(b))]
    pairs = np.array([(a, b) for a, b, _ in known], dtype=float).reshape(-1, 2)
    members = [np.flatnonzero([k == kind for _, _, k in known]) for kind in dict.fromkeys(k for _, _, k in known)]
    n, many = len(pairs), len(members)
    if n < 3:
        return Relation(math.nan, math.nan, math.nan, n, many)
    whole = _rho(pairs)
    if many < 4:
        return Relation(whole, math.nan, math.nan, n, many)
    rng = np.random.default_rng(seed)
    again = [_rho(pairs[np.concatenate([members[i] for i in rng.integers(0, many, many)])]) for _ in range(_RESAMPLES)]
    low, high = np.quantile(again, [0.025, 0.975])
    return Relation(whole, float(low), float(high), n, many)


def _rho(pairs: NDArray[np.float64]) -> float:
    """Of (n, 2) pairs; 0 where all ranks of one are equal."""
    from scipy.stats import rankdata

    a, b = (rankdata(pairs[:, i]) - (len(pairs) + 1) / 2 for i in (0, 1))
    scale = math.sqrt(float((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0
