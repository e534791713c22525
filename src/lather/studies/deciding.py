"""What repeated measurements decide, and what they leave open."""

from __future__ import annotations

import math

from lather.studies.estimate import Estimate, estimate

__all__ = ["above", "apart", "less"]

_SINGLE = 0.1  # relative difference that two measurements of one training must show


def above(value: Estimate, limit: float) -> bool | None:
    """Whether a number lies above ``limit``; ``None`` where its interval over seeds holds the limit, or it is NaN.

    Example:
        >>> above(estimate([0.9, 0.91]), 0.5), above(estimate([0.4, 0.9]), 0.5), above(estimate([0.4]), 0.5)
        (True, None, False)
    """
    if value.mean != value.mean:
        return None
    if len(value.values) < 2:
        return value.mean > limit
    return True if value.low > limit else False if value.high < limit else None


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
        difference = b.mean - a.mean
        if not abs(difference) > _SINGLE * max(abs(a.mean), abs(b.mean)):
            return None
        return difference > 0
    change = estimate(y - x for x, y in zip(a.values, b.values, strict=True))
    return True if change.low > 0 else False if change.high < 0 else None


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
    difference = b.mean - a.mean - margin
    if not math.isfinite(difference):
        return None
    parts = [_variance(x) / len(x.values) for x in (a, b)]
    error = math.sqrt(sum(parts))
    if error == 0:
        return None if difference == 0 else difference > 0
    from scipy.stats import t

    freedom = sum(parts) ** 2 / sum(p**2 / (len(x.values) - 1) for p, x in zip(parts, (a, b), strict=True))
    half = float(t.ppf(0.975, freedom)) * error
    return True if difference > half else False if difference < -half else None


def _variance(x: Estimate) -> float:
    return sum((value - x.mean) ** 2 for value in x.values) / (len(x.values) - 1)
