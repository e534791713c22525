"""Precision, recall, density and coverage: which of two sets of samples reaches where the other one is.

Every sample has a ball that reaches to its k-th nearest neighbour in its own set; the balls together stand for the
region where that set lives.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from lather.errors import ConfigError, DataError, ShapeError

__all__ = ["NEAREST", "NeighbourScores", "coverage_null", "neighbour_radii", "neighbour_scores"]

NEAREST = 5  #: neighbours that a ball holds; the papers use 3 and 5
_BLOCK = 2**22  # distances held at a time, 32 MiB
_ROUNDING = 1e-9  # relative: a tie must stay one although distances come from matrix products
_COPY = 1e-13  # of ‖x‖² + ‖y‖²: a squared distance below is the rounding of 0


class NeighbourScores(NamedTuple):
    """What :func:`neighbour_scores` returns.

    Args:
        precision: share of generated samples inside some real ball: do they look like real ones?
        recall: share of real samples inside some generated ball: can all of them be generated?
        density: real balls that a generated sample lies in, over k: how typical are they? May exceed 1.
        coverage: share of real balls that hold a generated sample: how much of the data is reached?
    """

    precision: float
    recall: float
    density: float
    coverage: float


def neighbour_scores(
    real: Tensor, generated: Tensor, k: int = NEAREST, *, radii: Tensor | None = None
) -> NeighbourScores:
    r"""Precision, recall, density and coverage of ``generated`` against ``real``.

    With r_i the squared distance from real x_i to its k-th nearest other real sample, s_j the same among the generated
    y_j, and D_ij = ‖x_i − y_j‖²:

    .. math::
        \text{precision} = \tfrac1m \sum_j \max_i [D_{ij} \le r_i], \quad
        \text{recall} = \tfrac1n \sum_i \max_j [D_{ij} \le s_j], \\
        \text{density} = \tfrac1{km} \sum_{ij} [D_{ij} \le r_i], \quad
        \text{coverage} = \tfrac1n \sum_i \max_j [D_{ij} \le r_i].

    For two samples of one continuous law the expected density is 1 and the expected coverage :func:`coverage_null`,
    whatever the law. Expected precision and recall, equal to each other where n = m, depend on it and fall with the
    dimension (N(0, I), n = m = 1000, k = 5: .997, .87, .73, .69 at d = 2, 16, 64, 112): compare only with their values
    between two real samples of the same size. Precision and recall trust every ball, so one outlier with a wide ball
    raises them; density and coverage, with balls of real samples alone, stand that better. Cost O((n + m)² f), in
    blocks of 4 million distances.

    References: Kynkäänniemi, Karras, Laine, Lehtinen, Aila, *Improved Precision and Recall Metric for Assessing
    Generative Models*, 2019, arXiv:1904.06991; Naeem, Oh, Uh, Choi, Yoo, *Reliable Fidelity and Diversity Metrics for
    Generative Models*, 2020, arXiv:2002.09797.

    Args:
        real, generated: features (n, f) and (m, f), one sample a row; n, m > k.
        k: which neighbour the balls reach to, at least 1.
        radii: squared radii of the real balls where they are known, (n,), from :func:`neighbour_radii`.

    Raises:
        ShapeError: different numbers of features, or radii of another sample.
        ConfigError: k below 1.
        DataError: no more than k samples in a set, or values that are not finite.

    Example:
        >>> real = torch.tensor([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
        >>> neighbour_scores(real, real[:3] + 0.5, k=1)  # one of two clusters
        NeighbourScores(precision=1.0, recall=0.5, density=1.6666666666666667, coverage=0.5)
    """
    if real.ndim != 2 or generated.ndim != 2 or real.shape[1] != generated.shape[1]:
        raise ShapeError(
            f"two samples of features (n, f) and (m, f) are compared, got {tuple(real.shape)} and "
            f"{tuple(generated.shape)}; features must come from the same function"
        )
    if radii is not None and radii.shape != real.shape[:1]:
        raise ShapeError(
            f"one squared radius for each real sample is needed, ({len(real)},), got {tuple(radii.shape)}; "
            "take neighbour_radii(real, k)"
        )
    around = (neighbour_radii(real, k) if radii is None else radii) * (1 + _ROUNDING)
    theirs = neighbour_radii(generated, k) * (1 + _ROUNDING)
    inside = torch.zeros(len(generated), dtype=torch.float64)  # real balls that hold each generated sample
    recalled, covered = 0, 0
    for start, distances in _blocks(real, generated):
        held = distances <= around[start : start + len(distances), None]
        inside += held.sum(0)
        covered += int(held.any(1).sum())
        recalled += int((distances <= theirs).any(1).sum())
    n, m = len(real), len(generated)
    return NeighbourScores(float((inside > 0).sum()) / m, recalled / n, float(inside.sum()) / (k * m), covered / n)


def neighbour_radii(x: Tensor, k: int = NEAREST) -> Tensor:
    """Squared distance from each row of ``x`` (n, f) to its k-th nearest other row, float64 (n,).

    Raises:
        ConfigError: k below 1.
        DataError: no more than k rows, or values that are not finite.
    """
    if k < 1:
        raise ConfigError(f"a ball must hold at least k=1 neighbour, got k={k}; the papers use 3 or 5")
    if len(x) <= k:
        raise DataError(f"balls that reach to neighbour k={k} need more than {k} samples, got {len(x)}; lower k")
    if not torch.isfinite(x).all():
        raise DataError("the samples hold NaN or infinite values, which have no neighbours; leave those rows out")
    found = []
    for start, distances in _blocks(x, x):
        rows = torch.arange(len(distances))
        distances[rows, start + rows] = torch.inf  # nobody is a neighbour of itself
        found.append(distances.topk(k, largest=False).values[:, -1])
    return torch.cat(found)


def coverage_null(n: int, m: int, k: int = NEAREST) -> float:
    r"""Expected coverage of ``n`` real samples by ``m`` others of the same continuous law.

    Of the n − 1 + m samples around a real one, the k nearest are all real with probability
    Π_{j<k} (n − 1 − j) / (n − 1 + m − j), and only then its ball is empty; whatever the law and the dimension.

    Reference: Naeem et al., arXiv:2002.09797, appendix.

    Example:
        >>> round(coverage_null(10_000, 10_000, 5), 3)
        0.969
    """
    if k < 1 or n <= k or m < 1:
        raise ConfigError(f"coverage needs n > k ≥ 1 and m ≥ 1, got n={n}, m={m}, k={k}")
    empty = 1.0
    for j in range(k):
        empty *= (n - 1 - j) / (n - 1 + m - j)
    return 1 - empty


def _blocks(x: Tensor, y: Tensor) -> Iterator[tuple[int, Tensor]]:
    """First row and squared distances (rows, m), from matrix products about a common centre; float64 on the CPU."""
    x, y = x.detach().cpu().double(), y.detach().cpu().double()
    centre = x.mean(0)
    x, y = x - centre, y - centre
    lengths = y.square().sum(1)
    at_once = max(_BLOCK // len(y), 1)
    for start in range(0, len(x), at_once):
        rows = x[start : start + at_once]
        scale = rows.square().sum(1, keepdim=True) + lengths
        distances = scale.addmm(rows, y.T, alpha=-2)
        yield start, distances.masked_fill_(distances < _COPY * scale, 0.0)
