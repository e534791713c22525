"""How many samples a statistic needs to tell given latents from the prior."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lather.divergences.algebra import Log, Weighted
from lather.divergences.base import Divergence
from lather.divergences.detection import DetectionSize
from lather.divergences.detection_null import NullCurve
from lather.divergences.null_progress import NullProgress
from lather.errors import ConfigError, DataError, ShapeError
from lather.priors.base import Prior

__all__ = ["detection_size"]

_FEWEST = 20  # latents
_SCAN = (2, 8, 32, 128, 512, 2048, 8192, 32768, 131072)  # subsample sizes tried in turn, up to a quarter of the latents
_GROUPS = 10  # of the jackknife


def detection_size(
    divergence: Divergence,
    z: Any,
    prior: Prior,
    *,
    level: float = 0.05,
    draws: int | None = None,
    seed: int = 0,
    cache: bool = True,
    progress: bool | None = None,
) -> DetectionSize:
    r"""n\*: the sample size at which this statistic tells the law behind ``z`` from the prior every other time.

    A test at ``level`` rejects where the statistic of n latents exceeds what true prior samples of n exceed with that
    probability, c(n). n\* is where the median over samples of n equals c(n): power ½. It does not depend on the units
    of the statistic, so it compares statistics, dimensions and papers; the larger, the better the match.

    *Up to a quarter of the latents* the median is taken over subsamples of z, so nothing is assumed about the
    statistic. *Beyond*, its mean over larger subsamples stands for it, shifted by the null's own median − mean. Where
    z as a whole scores below c(N), all that is known is that N samples do not suffice: "> N". Nulls are simulated at
    a few sizes and interpolated, so most of the time goes into them once, and the next call finds them in the cache.

    The interval holds the error from the finite z, from the finite number of subsamples, and from the simulated c(n).
    The first comes from the scatter between subsamples: of their variance, the null's share falls like (n/N)² when all
    of z is used and the rest like n/N. Beyond N/4 it is a delete-a-tenth jackknife.

    A weight and a logarithm change no order of values, so they change no n\*: it is that of what is inside (for a
    logarithm, of the non-negative form). Statistics that need prior draws get n of them with n latents.

    Args:
        divergence: the statistic. Its large values count; it may be biased.
        z: latents in random order, (n, d), n ≥ 20, tensor or array, finite. Consecutive latents of ordered data are
            not independent: shuffle first.
        prior: what they are compared with.
        level: of the test, between 0.001 and 0.5.
        draws: prior samples for each simulated null, at least 5/level; ``None`` is 999 up to 128 samples, 499 beyond.
            c(n) is the largest source of error once there are many latents, so for a cheap statistic 5000 are worth it.
        seed: of subsamples, directions and prior draws.
        cache: whether to keep the nulls on disk.
        progress: ``True`` shows bars, ``False`` none; ``None`` after 2 s where stderr is a terminal.

    Raises:
        DataError: latents that are not finite, or fewer than 20.
        ShapeError: not (n, d) with the prior's d, or too few for the statistic.
        ConfigError: a level out of range, too few draws for it, a weight of 0.
        CapabilityError: the statistic cannot be compared with this prior.

    Example:
        >>> from lather.divergences import RadiusCDF
        >>> from lather.priors import StandardNormal
        >>> z = 1.1 * torch.randn(1000, 16, generator=torch.Generator().manual_seed(0))
        >>> size = detection_size(RadiusCDF(), z, StandardNormal(16), draws=199, cache=False)
        >>> 20 < size.low < size.n < size.high < 100
        True
    """
    if not 1e-3 <= level <= 0.5:
        raise ConfigError(f"detection_size tests at a level between 0.001 and 0.5, got {level!r}")
    if (499 if draws is None else draws) < 5 / level:
        raise ConfigError(f"a critical value at level {level:g} takes at least {5 / level:.0f} draws, got {draws!r}")
    divergence = _inside(divergence)
    divergence.check(prior)
    z = _latents(z, prior)
    curve = NullCurve(divergence, prior, level=level, draws=draws, seed=seed, cache=cache, progress=progress)
    search = _Search(divergence, z, prior, curve, seed, progress)
    return search.run()


def _inside(divergence: Divergence) -> Divergence:
    """What decides the order of values: without logarithms and weights."""
    while isinstance(divergence, (Log, Weighted)):
        if isinstance(divergence, Weighted) and divergence.weight == 0:
            raise ConfigError(f"{divergence!r} is always 0, so it tells nothing from anything; give it a weight")
        divergence = divergence.divergence
    return divergence


def _latents(z: Any, prior: Prior) -> Tensor:
    """``z`` as a tensor on the prior's device, in the precision that nulls are simulated in."""
    z = torch.as_tensor(z).detach()
    if z.ndim != 2 or z.shape[1] != prior.d or not z.is_floating_point():
        raise ShapeError(
            f"detection_size takes floating latents of shape (n, {prior.d}) for {prior!r}, got {z.dtype} "
            f"{tuple(z.shape)}; flatten spatial latents with z.flatten(1)"
        )
    if len(z) < _FEWEST:
        raise DataError(f"a detection size is estimated from at least {_FEWEST} latents, got {len(z)}; encode more")
    bad = int((~torch.isfinite(z)).any(1).sum())
    if bad:
        raise DataError(f"{bad} of {len(z)} latents are not finite; find out why, or drop them: z[z.isfinite().all(1)]")
    return z.to(prior.like.device, torch.float64 if prior.like.dtype == torch.float64 else torch.float32)


@dataclass(frozen=True)
class _Power:
    """What subsamples of one size tell.

    Args:
        n: their size.
        ratio: how far their median lies on the way from the null's median (0) to the critical value (1).
        error: standard error of ``ratio``.
    """

    n: int
    ratio: float
    error: float


class _Search:
    def __init__(
        self,
        divergence: Divergence,
        z: Tensor,
        prior: Prior,
        curve: NullCurve,
        seed: int,
        progress: bool | None,
    ) -> None:
        self.divergence, self.z, self.prior, self.curve = divergence, z, prior, curve
        self.generator = torch.Generator(device=prior.like.device).manual_seed(seed + 1)
        self.progress = progress

    def run(self) -> DetectionSize:
        total = len(self.z)
        seen: list[_Power] = []
        for n in [n for n in _SCAN if 4 * n < total] + [total // 4]:
            try:
                point = self.subsampled(n)
            except ShapeError:  # the statistic needs more
                continue
            seen.append(point)
            if point.ratio >= 1:
                return self.between(seen)
        return self.beyond(seen)

    def between(self, seen: list[_Power]) -> DetectionSize:
        """n\\* lies below the last size; look closer at what is between it and the one before."""
        high = seen[-1].n
        if len(seen) == 1:  # the smallest sample that the statistic takes is enough
            return DetectionSize(float(high), 2.0, float(high), len(self.z))
        low = seen[-2].n
        points = [seen[-2], seen[-1]]
        for share in (0.5, 0.25, 0.75, 0.4, 0.6):
            n = round(low * (high / low) ** share)
            if n not in [p.n for p in points]:
                points.append(self.subsampled(n))
        near = sorted(points, key=lambda p: abs(p.ratio - 1))[:4]
        return self.solved(near, near[0].error)

    def beyond(self, seen: list[_Power]) -> DetectionSize:
        """n\\* is more than a quarter of the latents, or cannot be told from infinity."""
        total = len(self.z)
        null = self.curve.at(total)
        whole = self.value(self.z)
        if whole <= null.critical:
            return DetectionSize(math.inf, float(total), math.inf, total)
        size = total // _GROUPS
        left_out = [torch.cat([self.z[: g * size], self.z[(g + 1) * size :]]) for g in range(_GROUPS)]
        parts = torch.tensor([self.value(part) for part in left_out], dtype=torch.float64)
        error = math.sqrt(float((parts - parts.mean()).square().mean()) * (_GROUPS - 1))
        gap = null.critical - null.median
        error = math.hypot(error, null.noise) / gap if gap > 0 else 0.0
        points = [_Power(total, (whole - null.mean) / gap if gap > 0 else math.inf, error), self.averaged(total // 2)]
        return self.solved(points + seen[-1:], error)

    def solved(self, points: list[_Power], error: float) -> DetectionSize:
        """Where the ratio is 1, on the line of its logarithm in log n; ``error`` is that of the ratio there."""
        rate = self.divergence.null_rate
        usable = [p for p in points if 0.05 < p.ratio < math.inf]
        if not usable:  # from nothing to certainty within one step
            low, high = min(p.n for p in points), max(p.n for p in points)
            return DetectionSize(math.sqrt(low * high), float(low), float(high), len(self.z))
        x = np.log([p.n for p in usable])
        y = np.log([p.ratio for p in usable])
        slope = float(np.polyfit(x, y, 1)[0]) if len(set(x)) > 1 else rate
        slope = min(max(slope, rate / 2), 3.0)
        middle = float(x.mean() - y.mean() / slope)

        def size(shift: float) -> float:
            return max(2.0, math.exp(middle - math.log(shift) / slope)) if shift > 0 else math.inf

        return DetectionSize(size(1.0), size(1 + 1.96 * error), size(1 - 1.96 * error), len(self.z))

    def subsampled(self, n: int) -> _Power:
        """The median over subsamples of n, at most a quarter of the latents."""
        total = len(self.z)
        null = self.curve.at(n)
        values = self.values(n, int(min(200, max(40, 8 * total / n))))
        gap = null.critical - null.median
        median = float(values.median())
        if not gap > 0:
            return _Power(n, math.inf if median > null.critical else 0.0, 0.0)
        if math.isnan(median):
            return _Power(n, math.inf, 0.0)
        share = n / total
        variance = float(values.var()) / (1 - share)  # without replacement, subsamples are too alike
        pairs = min(null.std**2, variance) if self.divergence.null_rate == 1 else 0.0  # part that falls like n⁻²
        error = math.sqrt(share * (variance - pairs) + share**2 * pairs + variance / len(values))
        error = math.hypot(1.25 * error, null.noise) / gap  # a median scatters up to 1.25 times as much as a mean
        return _Power(n, (median - null.median) / gap, error)

    def averaged(self, n: int) -> _Power:
        """The same for larger subsamples, whose scatter says little: their mean."""
        null = self.curve.at(n)
        gap = null.critical - null.median
        mean = float(self.values(n, 8).mean())
        return _Power(n, (mean - null.mean) / gap if gap > 0 else math.inf, 0.0)

    def values(self, n: int, count: int) -> Tensor:
        device = self.z.device
        found = []
        with NullProgress(f"{self.divergence!r} on subsamples of {n}", count, show=self.progress) as bar:
            for _ in range(count):
                chosen = torch.randperm(len(self.z), generator=self.generator, device=device)[:n]
                found.append(self.value(self.z[chosen]))
                bar.step()
        return torch.tensor(found, dtype=torch.float64)

    @torch.no_grad()
    def value(self, z: Tensor) -> float:
        return float(self.divergence(z, self.prior, generator=self.generator))
