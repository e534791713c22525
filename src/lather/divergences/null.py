"""What a divergence scores on true prior samples: the yardstick for every raw value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lather.divergences.null_cache import NullCache, content_key
from lather.divergences.null_progress import NullProgress
from lather.errors import ConfigError, ShapeError
from lather.priors.base import Prior

if TYPE_CHECKING:
    from lather.divergences.base import Divergence

__all__ = ["NullDistribution", "null_distribution"]

_DRAWS = 999
_CACHE = NullCache()


class NullDistribution:
    """The law of a divergence's estimate when the n latents are true draws from the prior.

    Mean and standard deviation are exact where a formula is known (``exact`` names which), and those of the simulated
    draws elsewhere. Quantiles and p-values always come from the draws, because the shape of the law is not known: for
    most statistics it is skewed, so that z = 3 is not p = 0.001. Large values speak against the prior. Small ones do
    not: an unbiased estimate cannot fall far below 0, and nothing is nearer to a prior than draws from it; a value that
    is too small to be chance (latents that were fitted to the batch) has :meth:`pvalue` near 1.

    Args:
        values: the statistic on ``draws`` independent samples of the prior, in any order, without NaN.
        n, d: samples in each, and their dimensions.
        mean, std: exact ones, ``None`` where not known.
        name: what is calibrated, for the repr.

    Example:
        >>> null = NullDistribution(torch.arange(99.0), n=64, d=2)
        >>> null.pvalue(97.5), null.quantile(0.5), null.exact
        (0.02, 49.0, ())
    """

    def __init__(
        self,
        values: Tensor,
        *,
        n: int,
        d: int,
        mean: float | None = None,
        std: float | None = None,
        name: str = "the statistic",
    ) -> None:
        if values.ndim != 1 or len(values) < 2 or bool(values.isnan().any()):
            raise ShapeError(
                f"a null distribution is made of two or more draws without NaN, shape (m,), got {tuple(values.shape)}"
            )
        self.values = values.detach().double().cpu().sort().values
        self.n = n
        self.d = d
        self.name = name
        self.exact: tuple[str, ...] = (("mean",) if mean is not None else ()) + (("std",) if std is not None else ())
        self.mean = float(self.values.mean()) if mean is None else float(mean)
        self.std = float(self.values.std()) if std is None else float(std)

    @property
    def draws(self) -> int:
        """How many prior samples were simulated."""
        return len(self.values)

    @property
    def floor(self) -> float:
        """The smallest p-value that this many draws can give, 1/(draws + 1)."""
        return 1 / (self.draws + 1)

    def zscore(self, x: float | Tensor) -> float:
        """``x`` in standard deviations above the mean; 0 where the null does not vary and x is its value."""
        gap = _number(x) - self.mean
        if self.std > 0:
            return gap / self.std
        return 0.0 if gap == 0 else math.copysign(math.inf, gap)

    def pvalue(self, x: float | Tensor) -> float:
        """(1 + #{draws ≥ x}) / (1 + draws): the probability of a value at least as large under the prior.

        It is never 0, and valid at every n: under the prior it is at most α with probability at most α. Where ``x``
        lies above all draws it is :attr:`floor`, an upper bound (:meth:`is_bound`); more draws would show how small it
        is. NaN counts as larger than any draw: latents without a finite value are no prior draws.
        """
        value = _number(x)
        above = 0 if math.isnan(value) else self.draws - int(torch.searchsorted(self.values, value))
        return (1 + above) / (1 + self.draws)

    def is_bound(self, x: float | Tensor) -> bool:
        """Whether :meth:`pvalue` of ``x`` is only an upper bound, to be printed as "p ≤"."""
        return self.pvalue(x) <= self.floor

    def quantile(self, q: float) -> float:
        """The value that a share ``q`` of true prior samples stays below: ``quantile(0.95)`` is the noise floor.

        The k-th smallest of the draws, k = ⌈q (draws + 1)⌉, so that a value above it has p < 1 − q + 1/(draws + 1).

        Raises:
            ConfigError: q is not between 0 and 1.
        """
        if not 0 <= q <= 1:
            raise ConfigError(f"a quantile needs a probability between 0 and 1, got {q!r}")
        k = math.ceil(q * (self.draws + 1) - 1e-9)
        return float(self.values[min(max(k, 1), self.draws) - 1])

    def __repr__(self) -> str:
        known = f", exact {' and '.join(self.exact)}" if self.exact else ""
        return (
            f"<null of {self.name} at n={self.n}, d={self.d}: mean {self.mean:.3g}, sd {self.std:.3g}, 95% below "
            f"{self.quantile(0.95):.3g}; {self.draws} draws{known}>"
        )


def _number(x: float | Tensor) -> float:
    return float(x.detach()) if isinstance(x, Tensor) else float(x)


@torch.no_grad()
def null_distribution(
    divergence: Divergence,
    prior: Prior,
    n: int,
    *,
    draws: int | None = None,
    seed: int = 0,
    cache: bool = True,
    progress: bool | None = None,
) -> NullDistribution:
    """See :meth:`~lather.divergences.base.Divergence.null`, which calls this."""
    draws = _DRAWS if draws is None else draws
    if isinstance(n, bool) or not isinstance(n, int) or n < 2:
        raise ConfigError(f"a null distribution is that of samples of n ≥ 2 latents, got n={n!r}")
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 19:
        raise ConfigError(
            f"a null distribution needs at least 19 draws, to have a 95% quantile at all, got draws={draws!r}; 999 is "
            "usual"
        )
    divergence.check(prior)
    device = prior.like.device
    dtype = torch.float64 if prior.like.dtype == torch.float64 else torch.float32
    key = content_key(divergence, prior, n=n, draws=draws, seed=seed, dtype=str(dtype), device=device.type)
    values = _CACHE.load(key) if cache and key else None
    if values is None or len(values) != draws:
        generator = torch.Generator(device=device).manual_seed(seed)
        found = []
        shown = NullProgress(f"null of {divergence!r} at n={n}", draws, show=progress)
        # where training in half precision asks for a null, the prior's draws keep their digits
        with shown as bar, torch.autocast(device.type, enabled=False):
            for _ in range(draws):
                z = prior.sample(n, generator=generator).to(dtype)
                found.append(divergence(z, prior, generator=generator).double().cpu())
                bar.step()
        values = torch.stack(found)
        if bool(values.isnan().any()):
            raise ConfigError(f"{divergence!r} is NaN on samples of {n} draws from {prior!r}; it has no null there")
        if cache and key:
            _CACHE.store(key, values)
    mean, std = divergence.null_moments(prior, n)
    return NullDistribution(values, n=n, d=prior.d, mean=mean, std=std, name=repr(divergence))
