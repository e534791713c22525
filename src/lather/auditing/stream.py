r"""What one pass over any number of latents can say about all of them.

Sums over disjoint parts add up, so that latents may come in blocks, in any order, and from several processes. Against
N(0, I), with G = Σ z zᵀ and s = Σ z over n latents, the first two rungs of the Hermite ladder are

.. math:: U_1 = \frac{‖s‖² − Σ r²}{n(n−1)}, \qquad U_2 = \frac{½‖G − nI‖_F² − Σ ½(r⁴ − 2r² + d)}{n(n−1)},

the same numbers that all n² pairs give. Distribution functions of the radius, of each axis and along random directions
are counted in cells of equal probability under the prior (:mod:`lather.auditing.cells`); a Kolmogorov–Smirnov distance
read at their edges is at most one cell too small. Along the same directions, characteristic functions are summed
(:mod:`lather.auditing.waves`). The directions depend on the seed alone, never on the latents or their order.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing.cells import Cells
from lather.auditing.ladder import ladder_row
from lather.auditing.radius import radius_row_from
from lather.auditing.regions import SHARE, strays_row_from
from lather.auditing.row import Row
from lather.auditing.slices import Slices, axis_row_from, random_row_from
from lather.auditing.waves import Waves, waves_row
from lather.divergences.empirical_law import Law
from lather.divergences.hermite import HermiteSums, hermite_ladder, null_sd
from lather.divergences.sliced import slice_laws
from lather.errors import ShapeError
from lather.priors.base import Prior

__all__ = ["LatentSums", "random_directions", "rows_of", "whole_rows"]

_NUMBERS = 2**19  # that are taken together
_DIRECTIONS = 16  # random ones, at most
_STREAM = 0xD1_2EC7_10_45  # far from the seeds that people choose
_ROOT_HALF = 0.5**0.5


def random_directions(d: int, seed: int = 0) -> Float[Tensor, "k d"]:
    """Up to 16 orthonormal directions in d dimensions: the first axes of a uniformly random rotation, from the seed."""
    generator = torch.Generator().manual_seed((seed + _STREAM) % 2**63)
    q, r = torch.linalg.qr(torch.randn(d, min(d, _DIRECTIONS), generator=generator, dtype=torch.float64))
    return (q * r.diagonal().sign()).T.contiguous()


class LatentSums:
    """Sums over latents, gathered in one pass and mergeable.

    Memory is 8 d² bytes for the second moments and at most 41 MiB for counts, however many latents come.

    Args:
        prior: what they will be compared with.
        seed: of the random directions.

    Example:
        >>> from lather.priors.normal import StandardNormal
        >>> z = torch.randn(1000, 3, generator=torch.Generator().manual_seed(0))
        >>> whole, left, right = (LatentSums(StandardNormal(3)) for _ in range(3))
        >>> whole.update(z), left.update(z[:300]), right.update(z[300:])
        (None, None, None)
        >>> left.merge(right)
        >>> left.n == whole.n and bool(torch.allclose(left.second, whole.second))
        True
    """

    def __init__(self, prior: Prior, *, seed: int = 0) -> None:
        d = prior.d
        self.prior, self.seed = prior, seed
        self.n = 0
        self.first = torch.zeros(d, dtype=torch.float64)  #: Σ z
        self.second = torch.zeros(d, d, dtype=torch.float64)  #: Σ z zᵀ
        self.fourth = 0.0  #: Σ ‖z‖⁴
        self.outside = 0  #: latents outside the ball that holds 99% of N(0, I)
        self.directions = random_directions(d, seed)  #: (k, d)
        standard = prior.standard
        self._radius_law = None if standard else prior.squared_radius()
        self._axis_laws = None if standard else prior.along(torch.eye(d).to(prior.like))
        self._slice_laws = None if standard else slice_laws(prior, self.directions.to(prior.like))
        #: counts of ‖z‖², of each coordinate and along each direction, where their laws under the prior are known
        self.radius = Cells(1) if standard or self._radius_law is not None else None
        self.axes = Cells(d) if standard or self._axis_laws is not None else None
        self.slices = Cells(len(self.directions)) if standard or self._slice_laws is not None else None
        self.waves = Waves(len(self.directions)) if standard else None  #: characteristic functions along each direction

    @torch.no_grad()
    def update(self, z: Float[Tensor, "m d"]) -> None:
        """Add latents, of any floating type; sums are float64.

        Raises:
            ShapeError: not (m, d) with the prior's d.
        """
        if z.ndim != 2 or z.shape[1] != self.prior.d:
            raise ShapeError(f"latents of shape (m, {self.prior.d}) are needed, got {tuple(z.shape)}")
        for block in z.split(max(1024, _NUMBERS // self.prior.d)):
            self._add(block.to(torch.float64))

    def merge(self, other: LatentSums) -> None:
        """Add what another pass gathered over other latents.

        Raises:
            ShapeError: it was made for another prior, or with other directions.
        """
        if repr(other.prior) != repr(self.prior):
            raise ShapeError(f"sums against {other.prior!r} cannot be added to sums against {self.prior!r}")
        if other.seed != self.seed:
            raise ShapeError(f"sums along the directions of seed {other.seed} and of seed {self.seed} cannot be added")
        self.n += other.n
        self.first += other.first
        self.second += other.second
        self.fourth += other.fourth
        self.outside += other.outside
        for own, more in ((self.radius, other.radius), (self.axes, other.axes), (self.slices, other.slices)):
            if own is not None and more is not None:
                own.merge(more)
        if self.waves is not None and other.waves is not None:
            self.waves.merge(other.waves)

    def _add(self, z: Tensor) -> None:
        squared, x = z.square().sum(1), z.T.contiguous()  # x: (d, m)
        self.n += len(z)
        self.first += x.sum(1)
        self.second += x @ z
        self.fourth += float(squared.square().sum())
        if self.prior.standard:
            self.outside += int((squared > self._edge()).sum())
        if self.radius is not None:
            self.radius.add(self._radius_cdf(squared)[None])
        if self.axes is not None:
            self.axes.add(self._cdf(self._axis_laws, x))
        if self.slices is not None:
            along = self.directions @ x
            self.slices.add(self._cdf(self._slice_laws, along))
            if self.waves is not None:
                self.waves.add(along)

    def _edge(self) -> float:
        from scipy import stats

        return float(stats.chi2.isf(SHARE, self.prior.d))

    def _radius_cdf(self, squared: Tensor) -> Tensor:
        if self._radius_law is not None:
            return self._radius_law.cdf(squared.to(self.prior.like)).double().cpu()
        from scipy import special

        return torch.from_numpy(special.chdtr(self.prior.d, squared.numpy()))

    def _cdf(self, laws: Law | None, x: Tensor) -> Tensor:
        """Distribution functions at x (k, m); of N(0, 1) without laws, in less time than ``ndtr`` takes."""
        if laws is None:
            return torch.erfc(x * -_ROOT_HALF).mul_(0.5)
        return laws.cdf(x.T.to(self.prior.like)).double().cpu().T

    def ladder(self) -> tuple[float, float]:
        """U_1 and U_2 of all latents."""
        n, d = self.n, self.prior.d
        pairs = n * (n - 1)
        total = float(self.second.trace())
        one = (float(self.first.square().sum()) - total) / pairs
        off = self.second - n * torch.eye(d, dtype=torch.float64)
        own = 0.5 * (self.fourth - 2 * total + n * d)
        return one, (0.5 * float(off.square().sum()) - own) / pairs

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean (d,) and covariance (d, d)."""
        mean = self.first / self.n
        return mean, (self.second - self.n * torch.outer(mean, mean)) / (self.n - 1)


def whole_rows(
    z: Float[Tensor, "n d"],
    some: Float[Tensor, "m d"],
    prior: Prior,
    *,
    seed: int = 0,
    generator: torch.Generator | None = None,
) -> dict[str, Row]:
    """Rows of all latents: ``ladder_1``, ``ladder_2``, ``radius``, ``per_axis``, ``per_slice``, ``waves``, ``strays``.

    Args:
        z: all latents, of any floating type; read once, in blocks.
        some: a random part of them in float64, from which the ladder's standard errors come.
        prior: what they are compared with; a row whose law it does not know is left out.
        seed: of the random directions.
        generator: of the random part of the p-value of a count.
    """
    sums = LatentSums(prior, seed=seed)
    sums.update(z)
    return rows_of(sums, some, prior, generator=generator)


def rows_of(
    sums: LatentSums, some: Float[Tensor, "m d"], prior: Prior, *, generator: torch.Generator | None = None
) -> dict[str, Row]:
    """The same from sums that were gathered before."""
    n = sums.n
    rows: dict[str, Row] = {}
    mean, covariance = sums.moments()
    if prior.standard:
        one, two = sums.ladder()
        # the part of the error that belongs to the alternative falls like 1/n, the null's own like 1/n²
        part, least = hermite_ladder(some[:2_000]), [null_sd(n, prior.d, k) ** 2 for k in (1, 2)]
        excess = [max(part.errors[k - 1] ** 2 - part.null_sd(k) ** 2, 0.0) * part.n / n for k in (1, 2)]
        first, second = ((a + b) ** 0.5 for a, b in zip(excess, least, strict=True))
        ladder = HermiteSums(n, prior.d, (one, two, 0.0, 0.0), (first, second, 0.0, 0.0))
        rows |= {f"ladder_{k}": ladder_row(ladder, k) for k in (1, 2)}
        rows["strays"] = strays_row_from(sums.outside, n, generator=generator)
    if sums.radius is not None:
        gap = float(sums.radius.gaps(n)[0])
        rows["radius"] = radius_row_from(gap, n, float(sums.second.trace()) / n, some, prior)
    if sums.axes is not None:
        axes = Slices.known(n, sums.axes.gaps(n), independent=prior.standard or prior.independent)
        rows["per_axis"] = axis_row_from(axes, mean, covariance.diagonal().sqrt())
    if sums.slices is not None:
        random = Slices.known(n, sums.slices.gaps(n), independent=prior.standard)
        rows["per_slice"] = random_row_from(random, sums.directions, mean, covariance)
    if sums.waves is not None:
        rows["waves"] = waves_row(sums.waves, n, sums.directions @ some.T)
    return rows
