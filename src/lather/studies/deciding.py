"""What repeated measurements decide, and what they leave open."""

from __future__ import annotations

from lather.studies.estimate import Estimate

__all__ = ["above", "less"]

_SINGLE = 0.1  # relative difference that one training of each kind must show


def above(value: Estimate, limit: float) -> bool | None:
    """Whether a number lies above ``limit``; ``None`` where its interval over seeds holds the limit, or it is NaN.

    Example:
        >>> from lather.studies.estimate import estimate
        >>> above(estimate([0.9, 0.91]), 0.5), above(estimate([0.4, 0.9]), 0.5), above(estimate([0.4]), 0.5)
        (True, None, False)
    """
    if value.mean != value.mean:
        return None
    if len(value.values) < 2:
        return value.mean > limit
    return True if value.low > limit else False if value.high < limit else None


def less(a: Estimate, b: Estimate) -> bool | None:
    """Whether ``a`` is smaller than ``b``; ``None`` where their intervals over seeds touch.

    With one training on a side there are no intervals; then a difference below a tenth of the larger decides nothing.

    Example:
        >>> from lather.studies.estimate import estimate
        >>> less(estimate([1.0]), estimate([2.0])), less(estimate([1.95]), estimate([2.0]))
        (True, None)
    """
    if len(a.values) < 2 or len(b.values) < 2:
        difference = b.mean - a.mean
        if not abs(difference) > _SINGLE * max(abs(a.mean), abs(b.mean)):
            return None
        return difference > 0
    return True if a.below(b) else False if b.below(a) else None
