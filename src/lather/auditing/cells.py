"""Distribution functions of any number of values in bounded memory: counts in cells of equal probability."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Cells"]

_MOST = 2**16  # cells of one distribution function
_ROOM = 2**22  # of all together: 32 MiB


class Cells:
    """Values of k laws at once, counted in cells that are equally probable under the law each is compared with.

    The largest gap between distribution functions, read at the edges of cells, is at most one cell too small: 2⁻¹⁶, or
    2⁻²² k where there are more than 64 laws. Memory: at most 32 MiB, however many values come.

    Args:
        k: laws.

    Example:
        >>> cells = Cells(2)
        >>> cells.add(torch.tensor([[0.25, 0.75], [0.1, 0.2]], dtype=torch.float64))
        >>> [round(gap, 3) for gap in cells.gaps(2).tolist()], cells.error == 2**-16
        ([0.25, 0.8], True)
    """

    def __init__(self, k: int) -> None:
        count = 1 << max(8, min(_MOST, _ROOM // k).bit_length() - 1)
        self.counts = torch.zeros(k, count, dtype=torch.int64)

    @property
    def error(self) -> float:
        """Probability of one cell: how much too small a gap is at most."""
        return 1 / self.counts.shape[1]

    def add(self, u: Float[Tensor, "k m"]) -> None:
        """Count values of each law, given as that law's distribution function of them, 0 to 1."""
        count = self.counts.shape[1]
        where = (u * count).to(torch.int32).clamp_(0, count - 1)
        for own, cells in zip(self.counts, where, strict=True):  # one law at a time stays in the cache
            own += torch.bincount(cells, minlength=count)

    def merge(self, other: Cells) -> None:
        """Add what another counted."""
        self.counts += other.counts

    def gaps(self, n: int) -> Float[Tensor, "k"]:
        """Kolmogorov–Smirnov distance from each law, of the ``n`` values that were counted."""
        count = self.counts.shape[1]
        below = self.counts.cumsum(1).double() / n
        return (below - torch.arange(1, count + 1, dtype=torch.float64) / count).abs().amax(1)
