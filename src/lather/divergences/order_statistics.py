"""Expectations of normal order statistics, and the cells of the standard normal's quantile function."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["cell_edges", "cell_means", "order_quadrature"]

_NODES = 240
_ROWS = 4096


def cell_edges(n: int) -> Tensor:
    """Φ⁻¹(i/n) for i = 0…n: the borders of n cells of equal normal mass, float64 (n+1,), −∞ and ∞ included.

    Example:
        >>> cell_edges(2)
        tensor([-inf, 0., inf], dtype=torch.float64)
    """
    half = torch.special.ndtri(torch.arange(n // 2 + 1, dtype=torch.float64) / n)
    if n % 2 == 0:
        half[-1] = 0.0
        return torch.cat([half, -half[:-1].flip(0)])
    return torch.cat([half, -half.flip(0)])


@functools.lru_cache(maxsize=64)
def cell_means(n: int) -> Tensor:
    """b_i = ∫ Φ⁻¹ over [(i−1)/n, i/n] = φ(Φ⁻¹((i−1)/n)) − φ(Φ⁻¹(i/n)), float64 (n,).

    Example:
        >>> cell_means(2) * (2 * math.pi) ** 0.5
        tensor([-1.,  1.], dtype=torch.float64)
    """
    edges = cell_edges(n)
    density = torch.exp(-0.5 * edges.square()) / math.sqrt(2 * math.pi)
    return density[:-1] - density[1:]


def order_quadrature(n: int) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Nodes and weights for E f(Z_(i)), Z_(i) the i-th smallest of n standard normals.

    With u = Φ(z) the law of Z_(i) is Beta(i, n+1−i); in y = logit(u) its density ∝ e^{iy}/(1+e^y)^{n+1} is smooth with
    exponential tails, so that equally spaced nodes converge exponentially.

    Yields:
        rows i − 1 as a slice, z (rows, nodes), weights (rows, nodes) that add up to 1; float64. Only the lower half,
        i ≤ (n+1)/2, is given; the upper half mirrors it.
    """
    grid = torch.linspace(0, 1, _NODES, dtype=torch.float64)
    for start in range(0, (n + 1) // 2, _ROWS):
        stop = min(start + _ROWS, (n + 1) // 2)
        low = torch.arange(start + 1, stop + 1, dtype=torch.float64)[:, None]
        high = n + 1 - low
        sd = (1 / low + 1 / high).sqrt()
        left, right = 9 * sd + 36 / low, 9 * sd + 36 / high
        y = torch.log(low / high) - left + (left + right) * grid
        log_weight = low * y - (n + 1) * torch.nn.functional.softplus(y)
        tail = torch.special.ndtri(torch.sigmoid(-y.abs()))
        yield slice(start, stop), torch.where(y > 0, -tail, tail), torch.softmax(log_weight, dim=1)
