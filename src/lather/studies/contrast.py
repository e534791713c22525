"""Comparing what was trained in two ways, seed by seed, and what a row of such comparisons decides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from lather.studies.estimate import Estimate, estimate

__all__ = ["Verdict", "decided", "difference", "verdict"]

Verdict = Literal["holds", "holds in part", "fails", "not decided"]


def difference(a: Mapping[int, float], b: Mapping[int, float]) -> Estimate:
    """Mean of a − b over the seeds that both have, with its interval.

    Trainings with the same seed share their first weights and their batches as far as their recipes allow; what they
    share cancels.

    Args:
        a, b: a number for each seed.
    """
    return estimate(a[seed] - b[seed] for seed in sorted(a.keys() & b.keys()))


def decided(change: Estimate, *, margin: float = 0.0) -> bool | None:
    """Whether a change is above ``margin`` (``True``), below (``False``), or either for all that is known (``None``).

    Example:
        >>> decided(estimate([1.0, 1.1, 0.9])), decided(estimate([-1.0, 1.1, 0.2])), decided(estimate([5.0]))
        (True, None, None)
    """
    if math.isnan(change.low):
        return None
    return True if change.low > margin else False if change.high < margin else None


def verdict(signs: Sequence[bool | None]) -> Verdict:
    """What several comparisons say of one statement, each ``True`` (for it), ``False`` (against) or ``None``.

    It holds where all speak for it, fails where all speak against it, holds in part where some speak for it and others
    do not, and is not decided where some speak against it and nothing is known of the others.

    Example:
        >>> verdict([True, True]), verdict([True, None]), verdict([False, False]), verdict([False, None])
        ('holds', 'holds in part', 'fails', 'not decided')
    """
    if any(signs):
        return "holds" if all(signs) else "holds in part"
    return "fails" if signs and all(sign is False for sign in signs) else "not decided"
