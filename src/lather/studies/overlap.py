"""Do supports overlap? Two laws on a line, both smoothed by noise, where everything can be computed exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["smoothed_js", "wasserstein_line"]

Floats = NDArray[np.float64]


def smoothed_js(a: Floats, b: Floats, sigma: float, *, points: int = 20_001) -> float:
    """Jensen–Shannon divergence, in nats, of two sets of atoms after adding N(0, σ²) to both; at most log 2.

    JS = ½ KL(p‖m) + ½ KL(q‖m), m = ½(p + q), of the mixtures p = mean_i N(a_i, σ²) and q = mean_j N(b_j, σ²), by the
    trapezoid rule on a grid that reaches 10 σ beyond the outermost atoms.

    Args:
        a: (n,) atoms of one law.
        b: (m,) atoms of the other.
        sigma: standard deviation of the noise, above 0.
        points: of the grid; its step must stay below σ / 4.

    Raises:
        ValueError: σ so small that the grid would not see the peaks.
    """
    low, high = min(a.min(), b.min()) - 10 * sigma, max(a.max(), b.max()) + 10 * sigma
    grid, step = np.linspace(low, high, points, retstep=True)
    if not sigma > 0 or step > sigma / 4:
        raise ValueError(f"sigma={sigma} on {points} points from {low:.3g} to {high:.3g}: needs more points or noise")
    p, q = _density(a, sigma, grid), _density(b, sigma, grid)
    m = (p + q) / 2
    return float(np.sum(_relative(p, m) + _relative(q, m)) / 2 * step)


def wasserstein_line(a: Floats, b: Floats) -> float:
    """Exact Wasserstein-2 distance of two equally large sets of atoms on a line: √mean (a_(i) − b_(i))².

    For a shift it is the shift, with noise on both or without.
    """
    if a.shape != b.shape:
        raise ValueError(f"as many atoms on both sides, got {a.shape} and {b.shape}")
    return float(np.sqrt(np.mean((np.sort(a) - np.sort(b)) ** 2)))


def _density(atoms: Floats, sigma: float, grid: Floats) -> Floats:
    total = np.zeros_like(grid)
    for atom in atoms:
        total += np.exp(-0.5 * ((grid - atom) / sigma) ** 2)
    return total / (len(atoms) * sigma * np.sqrt(2 * np.pi))


def _relative(p: Floats, m: Floats) -> Floats:
    safe = p > 0
    out = np.zeros_like(p)
    out[safe] = p[safe] * np.log(p[safe] / m[safe])
    return out
