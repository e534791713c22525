"""The audit of a sample that never is in memory whole: gathered in parts, anywhere, and merged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lather.auditing.measure import MOST_LATENTS, measure_latents
from lather.auditing.report import Report
from lather.auditing.stream import LatentSums
from lather.errors import DataError, ShapeError
from lather.priors.base import Prior

__all__ = ["Audit"]


class Audit:
    """An audit that latents are added to, block by block, on any number of machines.

    Two things are kept. Sums over *all* latents: moments; counts in cells of equal probability of the radius, of each
    axis and along 16 random directions; characteristic functions along these. From them come mean, covariance, radius,
    axes, random directions and strays. And a random part of at most 20 000 latents, for the tests that look at pairs.
    Which latents these are depends on the seed and on their place in the sample alone, and the directions on the seed
    alone, so that the report is the same, to the rounding of sums, however the sample was divided.

    Memory: that part, 8 d² bytes for second moments and at most 41 MiB of counts.

    Args:
        prior: what the latents should follow.
        seed: of every random choice.
        keep: how many latents the random part holds at most.

    Example:
        >>> from lather.priors.normal import StandardNormal
        >>> z = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0))
        >>> whole, left, right = (Audit(StandardNormal(2)) for _ in range(3))
        >>> whole.update(z), left.update(z[:600]), right.update(z[600:], start=600)
        (None, None, None)
        >>> right.merge(left)
        >>> right.compute().to_dict() == whole.compute().to_dict()
        True
    """

    def __init__(self, prior: Prior, *, seed: int = 0, keep: int = MOST_LATENTS) -> None:
        if not 100 <= keep <= MOST_LATENTS:
            raise DataError(f"the random part holds 100 to {MOST_LATENTS} latents, got keep={keep}")
        self.prior, self.seed, self.keep = prior, seed, keep
        self.sums = LatentSums(prior, seed=seed)
        self._keys = np.empty(0, np.uint64)
        self._places = np.empty(0, np.int64)
        self._rows: Tensor | None = None

    @property
    def n(self) -> int:
        """Latents taken in."""
        return self.sums.n

    @torch.no_grad()
    def update(self, z: Tensor, *, start: int | None = None) -> None:
        """Take in latents.

        Args:
            z: (m, d) or (m, ...), of any floating type.
            start: place of the first of them in the whole sample (default: after those taken in before). Parts of one
                sample that are gathered apart must say it.

        Raises:
            ShapeError: not the prior's d.
            DataError: NaN or infinite values; nothing of ``z`` is taken in then.
        """
        if z.ndim < 2:
            raise ShapeError(f"latents must have shape (m, d), got {tuple(z.shape)}; for one dimension use z[:, None]")
        start = self.n if start is None else start
        z = z.detach().flatten(1).cpu()
        if not z.is_floating_point():
            z = z.to(torch.float64)
        if not bool(torch.isfinite(z).all()):
            row, column = (~torch.isfinite(z)).nonzero()[0].tolist()
            raise DataError(
                f"latents hold NaN or infinite values, the first at sample {start + row}, dimension {column}; the "
                "encoder has diverged (lower the learning rate, clip gradients) or its input was not finite"
            )
        self.sums.update(z)
        places = np.arange(start, start + len(z))
        self._take(_keys(places, self.seed), places, z)

    def merge(self, other: Audit) -> None:
        """Take in all that another audit of other latents of the same sample took in.

        Raises:
            ShapeError: it is made for another prior, another seed or another size of the random part.
        """
        if (self.seed, self.keep) != (other.seed, other.keep):
            raise ShapeError(
                f"an audit with seed {self.seed} that keeps {self.keep} latents cannot take in one with seed "
                f"{other.seed} that keeps {other.keep}; make them alike"
            )
        self.sums.merge(other.sums)
        if other._rows is not None:
            self._take(other._keys, other._places, other._rows)

    def _take(self, keys: np.ndarray, places: np.ndarray, rows: Tensor) -> None:
        """Keep the rows with the smallest keys."""
        if len(self._keys) == self.keep:
            few = np.flatnonzero(keys < self._keys.max())
            if not len(few):
                return
            keys, places, rows = keys[few], places[few], rows[torch.from_numpy(few)]
        if self._rows is not None:
            keys, places = np.concatenate([self._keys, keys]), np.concatenate([self._places, places])
            rows = torch.cat([self._rows, rows.to(self._rows.dtype)])
        if len(keys) > self.keep:
            chosen = np.argpartition(keys, self.keep)[: self.keep]
            keys, places, rows = keys[chosen], places[chosen], rows[torch.from_numpy(chosen)]
        self._keys, self._places, self._rows = keys, places, rows.clone()

    def sample(self) -> Tensor:
        """The random part of the latents, in their order: all of them, where there are at most ``keep``.

        Raises:
            DataError: nothing was taken in, or two parts claim the same places.
        """
        if self._rows is None:
            raise DataError("no latents were taken in; call update(z) first")
        if len(np.unique(self._places)) < len(self._places):
            raise DataError(
                "two parts of the sample claim the same places; give update(z, start=…) the place of each part's first "
                "latent in the whole sample"
            )
        return self._rows[torch.from_numpy(np.argsort(self._places))]

    def compute(self, *, context: Mapping[str, Any] | None = None) -> Report:
        """The report of all latents taken in; more may be added afterwards.

        Args:
            context: JSON-ready facts to keep in the report.

        Raises:
            DataError: fewer than 20 latents, or all the same.
        """
        rows = self.sample()
        sums = self.sums if self.n > len(rows) else None
        return measure_latents(rows, self.prior, sums=sums, context=context, seed=self.seed)


def _keys(places: np.ndarray, seed: int) -> np.ndarray:
    """A number for each place that looks random and differs from all others (SplitMix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        x = places.astype(np.uint64) + np.uint64(seed % 2**64) * np.uint64(0x9E3779B97F4A7C15)
        x = (x + np.uint64(0x9E3779B97F4A7C15)) & np.uint64(2**64 - 1)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        result: np.ndarray = x ^ (x >> np.uint64(31))
    return result
