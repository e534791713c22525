"""Do supports overlap? Two laws on a line or in the plane, smoothed by noise, all computed exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["smoothed_js", "wasserstein"]

Floats = NDArray[np.float64]
_REACH = 6.0  # standard deviations that the grid goes beyond the outermost atoms
_FINEST = 6000  # points of the grid along an axis


def smoothed_js(a: Floats, b: Floats, sigma: float, *, per_sigma: float = 3.0) -> float:
    """Jensen–Shannon divergence, in nats, of two sets of atoms after adding N(0, σ²I) to both; at most log 2.

    JS = ½ KL(p‖m) + ½ KL(q‖m), m = ½(p + q), of the mixtures p = mean_i N(a_i, σ²I) and q = mean_j N(b_j, σ²I), summed
    over a grid. Any two finite samples differ in every atom, of one law or of two, so that without noise it is log 2
    for all of them; compare with what two samples of one law give at the same σ.

    Args:
        a: (n,) or (n, 2) atoms of one law.
        b: (m,) or (m, 2) atoms of the other.
        sigma: standard deviation of the noise, above 0.
        per_sigma: points of the grid to one σ.

    Raises:
        ValueError: σ so small that the grid would get too large.
    """
    a, b = (x.reshape(len(x), -1) for x in (a, b))
    low = np.minimum(a.min(0), b.min(0)) - _REACH * sigma
    high = np.maximum(a.max(0), b.max(0)) + _REACH * sigma
    if a.shape[1] > 2 or not sigma > 0 or (high - low).max() / sigma * per_sigma > _FINEST:
        raise ValueError(
            f"sigma={sigma} for atoms in {a.shape[1]} dimensions that reach over {(high - low).max():.3g}: needs one "
            f"or two dimensions and sigma above {per_sigma / _FINEST:.2g} of that"
        )
    step = sigma / per_sigma
    grids = [np.arange(start, end + step, step) for start, end in zip(low, high, strict=True)]
    p, q = _density(a, sigma, grids), _density(b, sigma, grids)
    m = (p + q) / 2
    return float((_relative(p, m) + _relative(q, m)) / 2 * step ** len(grids))


def wasserstein(a: Floats, b: Floats) -> float:
    """Exact Wasserstein-2 distance of two equally large sets of atoms: min over pairings of √mean ‖a_i − b_π(i)‖².

    On a line by sorting, in more dimensions by the assignment that costs least. For a shift it is the shift, with noise
    on both or without, whether supports overlap or not.

    Args:
        a, b: (n,) or (n, k).
    """
    if a.shape != b.shape:
        raise ValueError(f"as many atoms on both sides, got {a.shape} and {b.shape}")
    if a.ndim == 1:
        return float(np.sqrt(np.mean((np.sort(a) - np.sort(b)) ** 2)))
    from scipy.optimize import linear_sum_assignment

    cost = ((a[:, None] - b[None]) ** 2).sum(-1)
    return float(np.sqrt(cost[linear_sum_assignment(cost)].mean()))


def _density(atoms: Floats, sigma: float, grids: list[Floats]) -> Floats:
    """Of the mixture on the grid: a Gaussian in the plane is the product of its two coordinates' factors."""
    factors = []
    for x, grid in zip(atoms.T, grids, strict=True):
        z = np.clip(np.abs(grid[None] - x[:, None]) / sigma, 0, 12)  # e^-72; quick where exp would underflow
        factors.append(np.exp(-0.5 * z * z) / (sigma * np.sqrt(2 * np.pi)))
    total = factors[0].sum(0) if len(factors) == 1 else factors[0].T @ factors[1]
    return np.asarray(total / len(atoms), dtype=np.float64)


def _relative(p: Floats, m: Floats) -> float:
    safe = p > 1e-300
    return float(np.sum(p[safe] * np.log(p[safe] / m[safe])))
