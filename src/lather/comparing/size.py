"""The detection size n* over seeds: on a logarithmic scale, and honest about what was not seen."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from lather.divergences import DetectionSize
from lather.jobs.estimate import estimate, short

__all__ = ["Size", "size_over_seeds"]

_SMALLEST = 2.0  # no test needs fewer


@dataclass(frozen=True)
class Size:
    """n* of several trainings.

    Attributes:
        n: geometric mean; where ``at_least``, a number that it exceeds.
        low, high: a 95% interval, or ``None`` where none can be given; ``high`` is infinite where nothing was seen.
        at_least: in how many of the trainings no test saw a difference, so that their n* is only known to be larger
            than the number of latents that were tested.
        of: how many trainings.
    """

    n: float
    low: float | None
    high: float | None
    at_least: int
    of: int

    def __str__(self) -> str:
        if not self.at_least:
            return short(self.n) + (f" ({short(self.low)} to {short(self.high or 0)})" if self.low is not None else "")
        return f"> {short(self.n)}"


def size_over_seeds(sizes: Iterable[DetectionSize]) -> Size | None:
    r"""Geometric mean of n* with Student's t interval of its logarithm: exp(m ± t₀.₉₇₅(k − 1) s / √k).

    An n* that is only known to be larger than the number N of tested latents counts as N, and the result is a bound
    from below. Where only some of the k trainings are of that kind, no interval is given. Where all are, and k ≥ 2, it
    is (N / 2, ∞): of latents whose n* is N / 2 one sample of N passes in one case out of five at most (see
    :class:`~lather.DetectionSize`), so that two or more pass in fewer than 5%.

    Returns:
        ``None`` without trainings.

    Example:
        >>> print(size_over_seeds([DetectionSize(n, n, n, 1000) for n in (100, 200, 400)]))
        200 (35.7 to 1120)
        >>> print(size_over_seeds([DetectionSize(math.inf, 1000, math.inf, 1000)] * 2))
        > 1000
    """
    sizes = list(sizes)
    if not sizes:
        return None
    unseen = [size for size in sizes if not size.detected]
    found = estimate(math.log(size.n if size.detected else size.tested) for size in sizes)
    n = math.exp(found.mean)
    if unseen:
        bounded = len(unseen) == len(sizes) >= 2
        return Size(n, n / 2 if bounded else None, math.inf if bounded else None, len(unseen), len(sizes))
    if len(sizes) < 2:
        return Size(n, None, None, 0, 1)
    return Size(n, max(math.exp(found.low), _SMALLEST), math.exp(min(found.high, 700.0)), 0, len(sizes))
