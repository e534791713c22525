"""Null distributions at every sample size, from simulations at a few."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from lather.divergences.base import Divergence
from lather.errors import ShapeError
from lather.priors.base import Prior

__all__ = ["NullCurve", "NullPoint"]

_GRID = (2, 8, 32, 128, 512, 1024)  # samples; beyond, the null is scaled


@dataclass(frozen=True)
class NullPoint:
    """The null at one sample size.

    Args:
        mean, median, std: of the statistic under the prior.
        critical: what true prior samples exceed with probability ``level``.
        noise: standard error of ``critical``, from the finite number of draws.
    """

    mean: float
    median: float
    std: float
    critical: float
    noise: float


class NullCurve:
    """Null mean, median and critical value of a divergence as functions of n.

    They are simulated at 2, 8, 32, 128, 512 and 1024 samples, where asked for; in between, and beyond, what is
    interpolated is the shape: (critical − mean) and (median − mean) in units of the standard deviation, or of n^−rate
    where that is not known exactly. It hardly changes with n. A mean that is not known exactly is interpolated in the
    same units; beyond the last size it follows a + b/n.

    Args:
        divergence: what is calibrated.
        prior: under which.
        level: of the test.
        draws: at each size; ``None`` is 999 up to 128 samples and 499 beyond, where they take longer.
        seed, cache, progress: as for :meth:`~lather.divergences.base.Divergence.null`.
    """

    def __init__(
        self,
        divergence: Divergence,
        prior: Prior,
        *,
        level: float,
        draws: int | None,
        seed: int,
        cache: bool,
        progress: bool | None,
    ) -> None:
        self._divergence, self._prior, self._level = divergence, prior, level
        self._draws = draws
        self._seed, self._cache, self._progress = seed, cache, progress
        self._known: dict[int, NullPoint] = {}

    def at(self, n: int) -> NullPoint:
        """The null at ``n`` samples.

        Raises:
            ShapeError: the statistic needs more samples than that.
        """
        if n in _GRID:
            return self._simulated(n)
        above = next((m for m in _GRID if m > n), None)
        if above is None:
            return self._between(n, _GRID[-2], _GRID[-1], beyond=True)
        below = max(m for m in _GRID if m < n)
        try:
            return self._between(n, below, above, beyond=False)
        except ShapeError:  # the lower size is too small for the statistic; this one may do
            return self._simulated(n)

    def _between(self, n: int, below: int, above: int, *, beyond: bool) -> NullPoint:
        low, high = self._simulated(below), self._simulated(above)
        share = 1.0 if beyond else math.log(n / below) / math.log(above / below)
        mean, unit = self._scale(n)
        (_, low_unit), (_, high_unit) = self._scale(below), self._scale(above)

        def shape(a: float, b: float) -> float:
            return ((1 - share) * a / low_unit + share * b / high_unit) * unit

        if mean is None:
            if beyond:  # n^rate · mean = a + b/n
                share = (1 / below - 1 / n) / (1 / below - 1 / above)
            mean = ((1 - share) * low.mean / low_unit + share * high.mean / high_unit) * unit
            share = min(share, 1.0)
        return NullPoint(
            mean,
            mean + shape(low.median - low.mean, high.median - high.mean),
            shape(low.std, high.std),
            mean + shape(low.critical - low.mean, high.critical - high.mean),
            shape(low.noise, high.noise),
        )

    def _scale(self, n: int) -> tuple[float | None, float]:
        """Exact mean, or None, and the unit in which the shape is interpolated."""
        mean, std = self._divergence.null_moments(self._prior, n)
        return mean, std or n**-self._divergence.null_rate

    def _simulated(self, n: int) -> NullPoint:
        if n not in self._known:
            draws = self._draws or (999 if n <= 128 else 499)
            null = self._divergence.null(
                self._prior, n, draws=draws, seed=self._seed, cache=self._cache, progress=self._progress
            )
            tail, spread = 1 - self._level, math.sqrt(self._level * (1 - self._level) / null.draws)
            noise = (null.quantile(min(tail + spread, 1.0)) - null.quantile(tail - spread)) / 2
            median = float(torch.quantile(null.values, 0.5))
            self._known[n] = NullPoint(null.mean, median, null.std, null.quantile(tail), noise)
        return self._known[n]
