r"""What one pass over any number of latents can say about all of them.

Sums over disjoint parts add up, so that latents may come in blocks, in any order, and from several processes. Against
N(0, I), with G = Σ z zᵀ and s = Σ z over n latents, the first two rungs of the Hermite ladder are

.. math:: U_1 = \frac{‖s‖² − Σ r²}{n(n−1)}, \qquad U_2 = \frac{½‖G − nI‖_F² − Σ ½(r⁴ − 2r² + d)}{n(n−1)},

the same numbers that all n² pairs give. Distribution functions are counted in cells of equal probability under the
prior; a Kolmogorov–Smirnov distance read at their edges is at most one cell too small.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from lather.auditing.ladder import ladder_row
from lather.auditing.radius import radius_row_from
from lather.auditing.regions import SHARE, strays_row_from
from lather.auditing.row import Row
from lather.auditing.slices import Slices, axis_row_from
from lather.divergences.hermite import HermiteSums, hermite_ladder, null_sd
from lather.errors import ShapeError
from lather.priors.base import Prior

__all__ = ["BLOCK", "LatentSums", "rows_of", "whole_rows"]

BLOCK = 16_384  #: latents that are taken together
_CELLS = 2**16  # of equal probability, for one distribution function
_ROOM = 2**22  # cells for all axes together: 32 MiB


class LatentSums:
    """Sums over latents, gathered in one pass and mergeable.

    Memory is 8 d² bytes for the second moments and at most 33 MiB for counts, however many latents come.

    Args:
        prior: what they will be compared with.

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

    def __init__(self, prior: Prior) -> None:
        d = prior.d
        self.prior = prior
        self.n = 0
        self.first = torch.zeros(d, dtype=torch.float64)  #: Σ z
        self.second = torch.zeros(d, d, dtype=torch.float64)  #: Σ z zᵀ
        self.fourth = 0.0  #: Σ ‖z‖⁴
        self.outside = 0  #: latents outside the ball that holds 99% of N(0, I)
        self.radius = torch.zeros(_CELLS, dtype=torch.int64)  #: latents in each cell of the law of ‖z‖²
        self._radius_law = None if prior.standard else prior.squared_radius()
        self._axis_laws = None if prior.standard else prior.along(torch.eye(d).to(prior.like))
        cells = 1 << max(8, min(_CELLS, _ROOM // d).bit_length() - 1)
        self.axes = torch.zeros(d, cells, dtype=torch.int64)  #: and of the law of each coordinate

    @property
    def knows_radius(self) -> bool:
        """Whether the law of ‖z‖² under the prior is known, so that its cells can be counted."""
        return self.prior.standard or self._radius_law is not None

    @property
    def knows_axes(self) -> bool:
        """Whether the law of each coordinate is known."""
        return self.prior.standard or self._axis_laws is not None

    @torch.no_grad()
    def update(self, z: Float[Tensor, "m d"]) -> None:
        """Add latents, of any floating type; sums are float64.

        Raises:
            ShapeError: not (m, d) with the prior's d.
        """
        if z.ndim != 2 or z.shape[1] != self.prior.d:
            raise ShapeError(f"latents of shape (m, {self.prior.d}) are needed, got {tuple(z.shape)}")
        for block in z.split(BLOCK):
            self._add(block.to(torch.float64))

    def merge(self, other: LatentSums) -> None:
        """Add what another pass gathered over other latents.

        Raises:
            ShapeError: it was made for another prior.
        """
        if repr(other.prior) != repr(self.prior):
            raise ShapeError(f"sums against {other.prior!r} cannot be added to sums against {self.prior!r}")
        self.n += other.n
        self.first += other.first
        self.second += other.second
        self.fourth += other.fourth
        self.outside += other.outside
        self.radius += other.radius
        self.axes += other.axes

    def _add(self, z: Tensor) -> None:
        squared = z.square().sum(1)
        self.n += len(z)
        self.first += z.sum(0)
        self.second += z.T @ z
        self.fourth += float(squared.square().sum())
        if self.prior.standard:
            self.outside += int((squared > self._edge()).sum())
        if self.knows_radius:
            self.radius += torch.bincount(_cell(self._radius_cdf(squared), _CELLS), minlength=_CELLS)
        if self.knows_axes:
            d, cells = self.axes.shape
            where = _cell(self._axes_cdf(z), cells) + torch.arange(d) * cells
            self.axes += torch.bincount(where.flatten(), minlength=d * cells).view(d, cells)

    def _edge(self) -> float:
        from scipy import stats

        return float(stats.chi2.isf(SHARE, self.prior.d))

    def _radius_cdf(self, squared: Tensor) -> Tensor:
        if self._radius_law is not None:
            return _cdf(self._radius_law, squared, self.prior)
        from scipy import special

        return torch.from_numpy(special.chdtr(self.prior.d, squared.numpy()))

    def _axes_cdf(self, z: Tensor) -> Tensor:
        return torch.special.ndtr(z) if self._axis_laws is None else _cdf(self._axis_laws, z, self.prior)

    def ladder(self) -> tuple[float, float]:
        """U_1 and U_2 of all latents."""
        n, d = self.n, self.prior.d
        pairs = n * (n - 1)
        total = float(self.second.trace())
        one = (float(self.first.square().sum()) - total) / pairs
        off = self.second - n * torch.eye(d, dtype=torch.float64)
        own = 0.5 * (self.fourth - 2 * total + n * d)
        return one, (0.5 * float(off.square().sum()) - own) / pairs

    def radius_gap(self) -> float:
        """Kolmogorov–Smirnov distance of ‖z‖² from its law, too small by 2⁻¹⁶ at most."""
        return float(_gaps(self.radius[None], self.n)[0])

    def axis_gaps(self) -> Float[Tensor, "d"]:
        """The same for each coordinate, too small by one cell (2⁻¹⁶, more beyond 64 dimensions)."""
        return _gaps(self.axes, self.n)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean (d,) and covariance (d, d)."""
        mean = self.first / self.n
        return mean, (self.second - self.n * torch.outer(mean, mean)) / (self.n - 1)


def whole_rows(
    z: Float[Tensor, "n d"], some: Float[Tensor, "m d"], prior: Prior, *, generator: torch.Generator | None = None
) -> dict[str, Row]:
    """Rows ``ladder_1``, ``ladder_2``, ``radius``, ``per_axis`` and ``strays`` of all latents, where one pass can.

    Args:
        z: all latents, of any floating type; read once, in blocks.
        some: a random part of them in float64, from which the ladder's standard errors come.
        prior: what they are compared with; a row whose law it does not know is left out.
        generator: of the random part of the p-value of a count.
    """
    sums = LatentSums(prior)
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
    if sums.knows_radius:
        rows["radius"] = radius_row_from(sums.radius_gap(), n, float(sums.second.trace()) / n, some, prior)
    if sums.knows_axes:
        axes = Slices.known(n, sums.axis_gaps(), independent=prior.standard or prior.independent)
        rows["per_axis"] = axis_row_from(axes, mean, covariance.diagonal().sqrt())
    return rows


def _cdf(law: Distribution, x: Tensor, prior: Prior) -> Tensor:
    return law.cdf(x.to(prior.like)).double().cpu()


def _cell(u: Tensor, cells: int) -> Tensor:
    return (u * cells).long().clamp_(0, cells - 1)


def _gaps(counts: Tensor, n: int) -> Tensor:
    cells = counts.shape[1]
    below = counts.cumsum(1).double() / n
    return (below - torch.arange(1, cells + 1, dtype=torch.float64) / cells).abs().amax(1)
