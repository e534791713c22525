"""The detection size n*: one scale on which every statistic can be read."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["DetectionSize"]


@dataclass(frozen=True)
class DetectionSize:
    """How many samples a test at level 0.05 needs to tell these latents from the prior every other time.

    The larger, the better the match. ``n`` is infinite where the effect does not rise above the noise of the
    ``tested`` samples: then all that is known is that ``tested`` samples do not suffice.

    Args:
        n: the estimate; at n samples the test has power ½.
        low, high: an approximate 95% interval for it, from the standard error of the effect. Where ``n`` is infinite,
            ``low`` is ``tested``: what these samples did not show, and no 95% bound. Of latents whose n* is as many as
            were tested every other sample passes, and with half that n* still one of five to eight.
        tested: how many samples it was estimated from.

    Example:
        >>> print(DetectionSize(312.4, 250.0, 480.0, tested=2000))
        ≈ 312 (250 to 480)
        >>> print(DetectionSize(math.inf, 2000.0, math.inf, tested=2000))
        > 2 000
    """

    n: float
    low: float
    high: float
    tested: int

    @property
    def detected(self) -> bool:
        """Whether the difference showed in the samples at hand."""
        return math.isfinite(self.n)

    def __str__(self) -> str:
        if not self.detected:
            return f"> {_spaced(self.tested)}"
        high = _spaced(self.high) if math.isfinite(self.high) else "∞"
        return f"≈ {_spaced(self.n)} ({_spaced(self.low)} to {high})"

    def __format__(self, spec: str) -> str:
        """``format(size, "short")`` leaves the interval out."""
        return str(self).partition(" (")[0] if spec == "short" else format(str(self), spec)


def _spaced(x: float) -> str:
    """``x`` rounded to three figures, thousands set apart by a narrow space."""
    if x >= 1000:
        x = round(x, 2 - math.floor(math.log10(x)))
    return f"{round(x):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
