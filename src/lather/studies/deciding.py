"""What repeated measurements decide, and what they leave open: comparisons, and the row of them behind a statement.

Every comparison comes to one question, :func:`decided`: on which side of a margin does an interval lie? What differs is
what the interval is of: a number (:func:`above`), the differences of measurements that belong together (:func:`less`,
:func:`difference`), or of such that do not (:func:`apart`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from lather.studies.estimate import Estimate, estimate

__all__ = ["Verdict", "above", "apart", "decided", "difference", "less", "verdict"]

Verdict = Literal["holds", "holds in part", "fails", "not decided"]

_SINGLE = 0.1  # relative difference that two measurements of one training must show


def decided(value: Estimate, *, margin: float = 0.0) -> bool | None:
    """Whether a number is above ``margin`` (``True``), below (``False``), or either for all that is known (``None``).

    A single measurement has no interval, and decides nothing.

    Example:
        >>> decided(estimate([1.0, 1.1, 0.9])), decided(estimate([-1.0, 1.1, 0.2])), decided(estimate([5.0]))
        (True, None, None)
    """
    return True if value.low > margin else False if value.high < margin else None  # NaN is neither


def difference(a: Mapping[int, float], b: Mapping[int, float]) -> Estimate:
    """Mean of a − b over the seeds that both have, with its interval.

    Trainings with the same seed share their first weights and their batches as far as their recipes allow; what they
    share cancels.

    Args:
        a, b: a number for each seed.
    """
    return estimate(a[seed] - b[seed] for seed in sorted(a.keys() & b.keys()))


def above(value: Estimate, limit: float) -> bool | None:
    """:func:`decided` about ``limit``, where one measurement speaks for itself: it is above or it is not.

    For numbers with an error of their own that is small beside their distance from the limit. ``None`` for NaN.

    Example:
        >>> above(estimate([0.9, 0.91]), 0.5), above(estimate([0.4, 0.9]), 0.5), above(estimate([0.4]), 0.5)
        (True, None, False)
    """
    if len(value.values) < 2 and not math.isnan(value.mean):
        return value.mean > limit
    return decided(value, margin=limit)


def less(a: Estimate, b: Estimate) -> bool | None:
    """Whether ``a`` is smaller than ``b``, two measurements *of the same trainings*, in the same order.

    They are compared training by training, so that what one decoder does better than the next cancels: decided where
    the interval for the mean difference leaves out 0. Of one training there is no interval; then a difference below a
    tenth of the larger decides nothing, and what is decided is said of that model alone.

    Example:
        >>> less(estimate([1.0, 5.0, 9.0]), estimate([2.0, 6.1, 9.9])), less(estimate([1.95]), estimate([2.0]))
        (True, None)
    """
    if len(a.values) != len(b.values):
        return apart(a, b)
    if len(a.values) < 2:
        change = b.mean - a.mean
        if not abs(change) > _SINGLE * max(abs(a.mean), abs(b.mean)):
            return None
        return change > 0
    return decided(estimate(y - x for x, y in zip(a.values, b.values, strict=True)))


def apart(a: Estimate, b: Estimate, margin: float = 0.0) -> bool | None:
    """Whether ``a`` is smaller than ``b`` by more than ``margin``, measurements of *different* trainings.

    Welch's t interval for b − a at 95%. ``None`` where it holds the margin, and always where there is one training of
    a kind: how much trainings differ that differ in nothing but the seed is not known then.

    Example:
        >>> apart(estimate([1.0, 1.1]), estimate([2.0, 2.2])), apart(estimate([1.0]), estimate([2.0]))
        (True, None)
    """
    if len(a.values) < 2 or len(b.values) < 2:
        return None
    change = b.mean - a.mean - margin
    if not math.isfinite(change):
        return None
    parts = [_variance(x) / len(x.values) for x in (a, b)]
    error = math.sqrt(sum(parts))
    if error == 0:
        return None if change == 0 else change > 0
    from scipy.stats import t

    freedom = sum(parts) ** 2 / sum(p**2 / (len(x.values) - 1) for p, x in zip(parts, (a, b), strict=True))
    half = float(t.ppf(0.975, freedom)) * error
    return True if change > half else False if change < -half else None


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


def _variance(x: Estimate) -> float:
    return sum((value - x.mean) ** 2 for value in x.values) / (len(x.values) - 1)
