"""Numbers of latents over several trainings: they differ by factors and may be infinite, so no mean and no ±."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from lather.studies.estimate import Estimate

__all__ = ["Counted", "count", "counted"]


@dataclass(frozen=True)
class Counted(Estimate):
    """n* over trainings: ``mean`` is the median (the lower of two), ``low`` and ``high`` the smallest and largest."""

    def __str__(self) -> str:
        if math.isnan(self.low) or count(self.low) == count(self.high):
            return count(self.mean)
        return f"{count(self.mean)} ({count(self.low)} to {count(self.high)})"


def counted(values: Iterable[float]) -> Counted:
    """Median and range of those that are numbers; infinite ones are where nothing was seen.

    Example:
        >>> str(counted([120.0, math.inf, 90.4])), str(counted([3.0])), str(counted([]))
        ('120 (90 to ∞)', '3', '–')
    """
    known = tuple(float(value) for value in values if not math.isnan(value))
    if not known:
        return Counted(math.nan, math.nan, math.nan, ())
    middle = sorted(known)[(len(known) - 1) // 2]
    if len(known) == 1:
        return Counted(middle, math.nan, math.nan, known)
    return Counted(middle, min(known), max(known), known)


def count(n: float) -> str:
    """A number of latents as people read it.

    Example:
        >>> count(2.83), count(1234.0), count(math.inf), count(math.nan)
        ('3', '1200', '∞', '–')
    """
    if not math.isfinite(n):
        return "–" if math.isnan(n) else "∞"
    return f"{n:.0f}" if n < 1000 else f"{round(n, -2):.0f}"
