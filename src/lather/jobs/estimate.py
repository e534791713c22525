"""A number that was measured several times, with the uncertainty that this leaves."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Estimate", "estimate"]


@dataclass(frozen=True)
class Estimate:
    """Mean over repetitions (seeds), and a 95% interval for the mean of infinitely many.

    Attributes:
        mean: the average.
        low, high: Student's t interval; NaN with one repetition, which says nothing about its own scatter.
        values: what was averaged.
    """

    mean: float
    low: float
    high: float
    values: tuple[float, ...]

    @property
    def half(self) -> float:
        """Half the width of the interval, for error bars; 0 where there is none."""
        return 0.0 if math.isnan(self.high) else (self.high - self.low) / 2

    def below(self, other: Estimate) -> bool | None:
        """Whether this is certainly smaller: the intervals do not touch. ``None`` where one of them is not known."""
        if math.isnan(self.high) or math.isnan(other.high):
            return None
        return self.high < other.low

    def __str__(self) -> str:
        if math.isnan(self.mean):
            return "–"
        return short(self.mean) if math.isnan(self.high) else f"{short(self.mean)} ± {short(self.half)}"


def estimate(values: Iterable[float]) -> Estimate:
    """The mean of ``values`` with Student's t interval: x̄ ± t₀.₉₇₅(n − 1) s / √n.

    Example:
        >>> e = estimate([1.0, 2.0, 3.0])
        >>> e.mean, round(e.half, 3)
        (2.0, 2.484)
    """
    known = tuple(float(v) for v in values)
    n = len(known)
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, ())
    mean = sum(known) / n
    if n == 1 or not math.isfinite(mean):
        return Estimate(mean, math.nan, math.nan, known)
    from scipy.stats import t

    spread = math.sqrt(sum((v - mean) ** 2 for v in known) / (n - 1))
    half = float(t.ppf(0.975, n - 1)) * spread / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, known)


def short(value: float) -> str:
    """Three significant digits, without exponents where people would not write them.

    Example:
        >>> short(0.01234), short(1234.5), short(3.0)
        ('0.0123', '1230', '3')
    """
    if not math.isfinite(value):
        return "∞" if value > 0 else "–" if math.isnan(value) else "−∞"
    if value != 0 and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.2e}"
    rounded = float(f"{value:.3g}")
    return f"{rounded:.0f}" if abs(rounded) >= 100 else f"{rounded:g}"
