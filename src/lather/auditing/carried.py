"""A null distribution carried from the few latents it was simulated with to the many that are measured.

A statistic that is quadratic in the empirical law fluctuates, under the prior, like a weighted sum of independent χ²
variables divided by n: its shape settles quickly, and only its scale goes on to shrink. So the null of 128 latents,
which takes a second to simulate and is kept, serves all larger samples, right to one part in a hundred.
"""

from __future__ import annotations

import math

from lather.divergences.base import Divergence
from lather.divergences.null import NullDistribution
from lather.priors.base import Prior

__all__ = ["SIMULATED", "carried_null"]

SIMULATED = 128  #: latents in a statistic whose null is simulated


def carried_null(divergence: Divergence, prior: Prior, n: int) -> NullDistribution:
    """The null of ``divergence`` at n latents: simulated up to 128, carried beyond.

    Unbiased statistics, whose mean is 0, shrink like 1/√(n(n−1)), which is exact for their standard deviation; others
    like 1/n.

    Args:
        divergence: quadratic in the empirical law (``null_rate`` 1), closed form against ``prior``.
        prior: what latents are compared with.
        n: how many of them.

    Example:
        >>> from lather.divergences import Energy
        >>> from lather.priors import StandardNormal
        >>> exact = Energy().null_moments(StandardNormal(4), 2000)[1]
        >>> abs(carried_null(Energy(), StandardNormal(4), 2000).std / exact - 1) < 1e-9
        True
    """
    few = min(n, SIMULATED)
    null = divergence.null(prior, few, progress=False)
    if n == few:
        return null
    mean, std = divergence.null_moments(prior, n)
    shrink = math.sqrt(few * (few - 1) / (n * (n - 1))) if mean == 0 else few / n
    return NullDistribution(null.values * shrink, n=n, d=prior.d, mean=mean, std=std, name=type(divergence).__name__)
