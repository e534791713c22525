"""log Σ_j exp(a_ij) over the Gaussians of a mixture: float32 for all pairs, float64 for those that matter.

a_ij = log N(z_i; μ_j, σ_j²) is an entry of a matrix product whose parts cancel: with σ = 0.003 in 64 dimensions
float32 is off by more than a nat. But where σ is small few j matter to an i. So all pairs are worked out in float32,
with a bound e on their error; those near the top of their row once more in float64, from μ and σ themselves; and what
the rest may be off by is added up beside the sum. Rows where that exceeds 5·10⁻⁵ of the sum are not certain, and are
for the caller to do in float64.

A sum of K products, each rounded by at most u = 2⁻²⁴ of the partial sum, is off by e = √K u Σ|terms| at most, some six
standard deviations of what rounding does (Higham, Mary, *A new approach to probabilistic rounding error analysis*,
SIAM J. Sci. Comput. 41(5), 2019). Σ|terms| is bounded for a tile by the largest of each weight in it; components are
sorted by volume, so that those of a tile are alike. What enters the sum is the mean error of many pairs, for which an
eighth of e is still a bound: a ninth is the most that was seen, with K = 5, and a thirtieth is usual.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from lather.compiled import compiles, shared_out

__all__ = ["Screen"]

_ROWS, _COLUMNS = 1024, 1024  # a tile of logits is 4 MiB: a cache holds it, and it outweighs what is done once a tile
_MANY = 2**26  # pairs from which on compiled loops are used
_FLOOR = -80.0  # e^-80 is nothing beside the largest term, and exp is slow where it underflows
_CERTAIN = 5e-5  # nats; exponentials and sums in float32 add 10⁻⁶
_TYPICAL = 1 / 8  # of the bound: what rounding does on average, at most
_NOTHING = 40.0  # nats below the top where even 10⁹ components are nothing
_CROWD = 32  # pairs a row that may be done once more, or one in 400; beyond, float64 throughout is quicker
_MARGIN = 3.0  # nats by which more pairs are done once more than a single one would need
_PAIRS = 2**13  # pairs done once more at a time


class _Bounds:
    """Bounds on the error of all logits of a tile in a row, (tiles, n), and what follows from them.

    Args:
        size: Σ|terms|, (n, tiles).
    """

    def __init__(self, size: Tensor, terms: int) -> None:
        error = size.T * 2.0**-24 * (math.sqrt(terms) + 2)  # 2: the factors are rounded, too
        harm = error.clamp_max(30.0).expm1() * _TYPICAL  # share of itself that an exponential may be off by
        depth = ((harm / _CERTAIN).log() + _MARGIN).where(harm > _CERTAIN, -math.inf).clamp_max(_NOTHING)
        self.needed = (harm > _CERTAIN).any(1).tolist()
        self.harm = harm.where(depth < _NOTHING, 0.0)  # what is deeper than that is nothing, right or wrong
        self.error = error.float()
        self.depth = (error + depth).float()  # nats below the top from which on float32 will do
        self.nothing = (error + _NOTHING).float()


def _log_volumes(std: Tensor) -> Tensor:
    """Σ_k log σ_k of each row, float64: logarithms of products of eight float32 numbers, which cannot overflow."""
    if std.dtype == torch.float64:
        return std.log().sum(1)
    eights = pad(std.double(), (0, -std.shape[1] % 8), value=1.0).unflatten(1, (-1, 8))
    return eights.prod(2).log().sum(1)


class Screen:
    """The components, ready for any number of rows.

    Args:
        mean: μ, (N, d).
        std: σ, (N, d).
        centre: what has been subtracted from the rows; float64.
    """

    def __init__(self, mean: Tensor, std: Tensor, centre: Tensor) -> None:
        # a tile at a time: fresh memory for all of them at once takes longer than what is done with it
        volume, self.order = torch.cat([_log_volumes(part) for part in std.split(_COLUMNS)]).sort()
        self.mean, self.std, self.centre = mean, std, centre
        self.volume = volume + 0.5 * math.log(2 * math.pi) * mean.shape[1]  # in that order, as the tiles
        self.tiles: list[Tensor] = []  # (2d + 1, columns): −1/2σ², μ/σ², −Σ (μ²/2σ² + log σ) − d/2 log 2π
        for start in range(0, len(mean), _COLUMNS):
            columns = slice(start, start + _COLUMNS)
            these = self.order[columns]
            mu = mean[these].double() - centre
            precision = std[these].double().square_().reciprocal_()
            linear = mu * precision
            constant = mu.mul_(linear).sum(1).div_(-2).sub_(self.volume[columns])
            self.tiles.append(torch.cat([precision.mul_(-0.5).T, linear.T, constant[None]]).float())
        extremes = [torch.aminmax(tile, dim=1) for tile in self.tiles]
        self.largest = torch.stack([torch.maximum(-low, high) for low, high in extremes], 1).double()  # (2d + 1, tiles)

    def log_sums(self, x: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "n"], Bool[Tensor, "n"]]:
        """log Σ_j exp(a_ij) of centred float64 rows, and which of them are certain to 10⁻⁴ nats.

        Ends early, the rest uncertain, where too many pairs matter for this to pay.
        """
        machine_code = compiles(self.tiles[0], len(x) * len(self.mean), _MANY)
        total = torch.full((len(x),), math.nan, dtype=torch.float64)
        certain = torch.zeros(len(x), dtype=torch.bool)
        for start in range(0, len(x), _ROWS):
            rows = slice(start, start + _ROWS)
            total[rows], certain[rows] = self._block(x[rows], machine_code)
            if 2 * int(certain[rows].sum()) < len(certain[rows]):
                break
        return total, certain

    def _block(self, x: Tensor, machine_code: bool) -> tuple[Tensor, Tensor]:
        features = torch.cat([x.square(), x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
        bounds = _Bounds(features.abs() @ self.largest, features.shape[1])
        room = len(x) * max(_CROWD, len(self.mean) // 400)
        sums = (self._compiled_sums if machine_code else self._sums)(features.float(), bounds, room)
        if sums is None:
            return torch.full((len(x),), math.nan, dtype=torch.float64), torch.zeros(len(x), dtype=torch.bool)
        return self._joined(x, *sums, bounds)

    def _sums(self, features: Tensor, bounds: _Bounds, room: int) -> tuple[Tensor, Tensor, Tensor, _Parts] | None:
        """Base, Σ exp(a − base), what that may be off by, and pairs set aside; ``None`` where they are too many."""
        n = len(features)
        low = torch.full((n,), -math.inf)  # what the largest logit of a row is at least
        work = torch.empty(n * min(_COLUMNS, len(self.mean)))
        everything = torch.arange(n)
        sums, near = _Parts(), _Parts()
        for t, tile in enumerate(self.tiles):
            block = torch.mm(features, tile, out=work[: n * tile.shape[1]].view(n, -1))
            top = block.amax(1)
            torch.maximum(low, top - bounds.error[t], out=low)
            rows = (top > low - bounds.nothing[t]).nonzero().squeeze(1)
            if not len(rows):
                continue
            least = low - bounds.depth[t]
            if 2 * len(rows) > n:
                rows = everything
                close = (top > least).nonzero().squeeze(1) if bounds.needed[t] else rows[:0]
            else:  # few rows matter: go on with a copy of them
                block, top, least = block[rows], top[rows], least[rows]
                close = everything[: len(rows)] if bounds.needed[t] else rows[:0]
            if len(close):
                i, j = (block[close] > least[close].unsqueeze(1)).nonzero(as_tuple=True)
                i = close[i]
                near.add(t, rows[i], block[i, j], j)
                block[i, j] = -math.inf
                room -= len(i)
                if room < 0:
                    return None
            sums.add(t, rows, top, block.sub_(top.unsqueeze(1)).clamp_(min=_FLOOR).exp_().sum(1))
        base = low.double()
        total, risk = torch.zeros(2, n, dtype=torch.float64)
        if sums.rows:
            tile_index, rows, top, terms = sums.joined()
            terms = (top.double() - base[rows]).exp() * terms
            total.index_add_(0, rows, terms)
            risk.index_add_(0, rows, terms * bounds.harm[tile_index, rows])
        return base, total, risk, near

    def _compiled_sums(
        self, features: Tensor, bounds: _Bounds, room: int
    ) -> tuple[Tensor, Tensor, Tensor, _Parts] | None:
        """:meth:`_sums`, all that is done to a tile in one loop."""
        n, near = len(features), _Parts()
        low, top = torch.full((2, n), -math.inf)
        total, risk = torch.zeros(2, n, dtype=torch.float64)
        state = [vector.numpy() for vector in (low, top, total, risk)]
        work = torch.empty(n * min(_COLUMNS, len(self.mean)))
        for t, tile in enumerate(self.tiles):
            columns = tile.shape[1]
            block = torch.mm(features, tile, out=work[: n * columns].view(n, columns)).view(-1)
            views = block.numpy(), block.view(torch.int32).numpy(), columns
            limits = [bound[t].numpy() for bound in (bounds.error, bounds.depth, bounds.nothing, bounds.harm)]

            part = functools.partial(_tile_part, views, limits, bounds.needed[t], state, room)
            for aside in shared_out(n, part):
                if aside is None or len(aside[0]) > room:
                    return None
                room -= len(aside[0])
                if len(aside[0]):
                    near.add(t, aside[0], aside[2], aside[1])
        base = low.double()
        scale = (top.double() - base).exp()
        return base, total * scale, risk * scale, near

    def _joined(
        self, x: Tensor, base: Tensor, total: Tensor, risk: Tensor, near: _Parts, bounds: _Bounds
    ) -> tuple[Tensor, Tensor]:
        """With the pairs set aside: those still near the top exactly, the others as they were."""
        if near.rows:
            t, rows, logit, columns = near.joined()
            columns = columns + t * _COLUMNS
            close = logit > (base[rows] - bounds.depth[t, rows])
            terms = (logit.double() - base[rows]).exp().where(~close, 0.0)
            total.index_add_(0, rows, terms)
            risk.index_add_(0, rows, terms * bounds.harm[t, rows])
            for i, j in zip(rows[close].split(_PAIRS), columns[close].split(_PAIRS), strict=True):
                these = self.order[j]
                apart = (x[i] - (self.mean[these].double() - self.centre)) / self.std[these].double()
                total.index_add_(0, i, (-0.5 * apart.square().sum(1) - self.volume[j] - base[i]).exp())
        return base + total.log(), (risk <= _CERTAIN * total) & (total > 0)


def _tile_part(
    views: tuple[Any, ...], limits: list[Any], needed: bool, state: list[Any], room: int, start: int, stop: int
) -> list[Tensor] | None:
    """Some rows of a tile; rows, columns and logits of what was set aside, ``None`` where there was no room."""
    from lather.priors import fused

    size = room if needed else 0
    aside = [torch.empty(size, dtype=kind) for kind in (torch.int64, torch.int64, torch.float32)]
    found = fused.add_tile(*views, start, stop, *limits, needed, *state, *(part.numpy() for part in aside))
    return None if found < 0 else [part[:found].clone() for part in aside]


class _Parts:
    """Of some rows and one tile each: a height in float32, and a number."""

    def __init__(self) -> None:
        self.tiles: list[Tensor] = []
        self.rows: list[Tensor] = []
        self.heights: list[Tensor] = []
        self.numbers: list[Tensor] = []

    def add(self, tile: int, rows: Tensor, heights: Tensor, numbers: Tensor) -> None:
        self.tiles.append(torch.full_like(rows, tile))
        self.rows.append(rows)
        self.heights.append(heights)
        self.numbers.append(numbers)

    def joined(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Tiles, rows, heights and numbers."""
        return torch.cat(self.tiles), torch.cat(self.rows), torch.cat(self.heights), torch.cat(self.numbers)
