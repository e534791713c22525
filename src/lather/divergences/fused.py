"""Loops of the pairwise engine that take a formula over a block in one go; see :mod:`lather.compiled`. Needs numba.

Each goes over rows ``start`` to ``stop`` of a block of ``columns`` columns, rows ``apart`` numbers apart, in chunks
that stay in the innermost cache, takes the place of its contents, and gives back a sum in float64. Coefficients come
in groups of four, so that a chunk is read and written once for four of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lather.compiled import compiled
from lather.vectors import wide_vectors

__all__ = ["counts", "inverse_powers", "inverse_quadratics", "lookup", "stein"]

_CHUNK = 512
_ZERO, _ONE, _TWO = np.float32(0.0), np.float32(1.0), np.float32(2.0)


@compiled
def inverse_quadratics(
    block: Any, apart: int, columns: int, start: int, stop: int, constants: Any, weights: Any
) -> float:
    """Σ w/(C+D), a sum over block and constants; Σ w/(C+D)² takes the place of D. Constants in fours, w = C or 0."""
    wide_vectors()
    total = 0.0
    value, slope = np.empty(_CHUNK, np.float32), np.empty(_CHUNK, np.float32)
    for row in range(start, stop):
        for low in range(0, columns, _CHUNK):
            x = block[row * apart + low : row * apart + min(low + _CHUNK, columns)]
            n = len(x)
            for k in range(n):
                x[k] = _ZERO if x[k] < _ZERO else x[k]
                value[k] = _ZERO
                slope[k] = _ZERO
            for q in range(0, len(constants), 4):
                c0, c1, c2, c3 = constants[q], constants[q + 1], constants[q + 2], constants[q + 3]
                w0, w1, w2, w3 = weights[q], weights[q + 1], weights[q + 2], weights[q + 3]
                for k in range(n):
                    a, b = x[k] + c0, x[k] + c1
                    both = _ONE / (a * b)  # one division for two: divisions are what takes the time
                    a, b = both * b, both * a
                    c, d = x[k] + c2, x[k] + c3
                    both = _ONE / (c * d)
                    c, d = both * d, both * c
                    value[k] += w0 * a + w1 * b + w2 * c + w3 * d
                    slope[k] += w0 * a * a + w1 * b * b + w2 * c * c + w3 * d * d
            part = _ZERO
            for k in range(n):
                part += value[k]
                x[k] = slope[k]
            total += part
    return total


@compiled
def inverse_powers(
    block: Any, apart: int, columns: int, start: int, stop: int, value: Any, slope: Any
) -> tuple[float, float]:
    """Σ √u and Σ √u h(2u − 1), u = 1/block; √u g(2u − 1) 2u takes the block's place. h and g in fours."""
    wide_vectors()
    roots, total = 0.0, 0.0
    u, h, g = np.empty(_CHUNK, np.float32), np.empty(_CHUNK, np.float32), np.empty(_CHUNK, np.float32)
    for row in range(start, stop):
        for low in range(0, columns, _CHUNK):
            x = block[row * apart + low : row * apart + min(low + _CHUNK, columns)]
            n = len(x)
            for k in range(n):
                u[k] = _ONE / (_ONE if x[k] < _ONE else x[k])
                x[k] = _TWO * u[k] - _ONE
                h[k] = _ZERO
                g[k] = _ZERO
            for q in range(0, len(value), 4):
                h0, h1, h2, h3 = value[q], value[q + 1], value[q + 2], value[q + 3]
                g0, g1, g2, g3 = slope[q], slope[q + 1], slope[q + 2], slope[q + 3]
                for k in range(n):
                    h[k] = (((h[k] * x[k] + h0) * x[k] + h1) * x[k] + h2) * x[k] + h3
                    g[k] = (((g[k] * x[k] + g0) * x[k] + g1) * x[k] + g2) * x[k] + g3
            root_part, part = _ZERO, _ZERO
            for k in range(n):
                root = np.sqrt(u[k])
                root_part += root
                part += root * h[k]
                x[k] = root * g[k] * (_TWO * u[k])
            roots += root_part
            total += part
    return roots, total


@compiled
def counts(block: Any, apart: int, columns: int, start: int, stop: int, bins: int) -> Any:
    """How many numbers fall into each of the bins [0, 1), [1, 2), …; what lies beyond goes to the outermost ones."""
    wide_vectors()
    found = np.zeros(bins, np.int64)
    last = np.float32(bins - 1)
    for row in range(start, stop):
        x = block[row * apart : row * apart + columns]
        for k in range(columns):
            place = x[k] if x[k] > _ZERO else _ZERO  # NaN, too, goes to the first
            found[np.int64(min(place, last))] += 1
    return found


@compiled
def lookup(block: Any, apart: int, columns: int, start: int, stop: int, value: Any, slope: Any) -> float:
    """Σ value[bin], slope[bin] in the block's place; bins as in :func:`counts`."""
    wide_vectors()
    total = 0.0
    last = np.float32(len(value) - 1)
    for row in range(start, stop):
        x = block[row * apart : row * apart + columns]
        for k in range(columns):
            place = x[k] if x[k] > _ZERO else _ZERO
            i = np.int64(min(place, last))
            total += value[i]
            x[k] = slope[i]
    return total


@compiled
def stein(
    block: Any,
    columns: int,
    start: int,
    stop: int,
    rows: Any,
    others: Any,
    more_rows: Any,
    more_others: Any,
    c2: Any,
    b: Any,
    diagonal: bool,
    row_pull: Any,
    column_pull: Any,
) -> float:
    """Σ u over the block of ⟨x, y⟩; p + √w takes its place, p summed over rows and columns; see ``stein.py``.

    Args:
        rows, others: ‖x‖² and ‖y‖² + c².
        more_rows, more_others: what ⟨x, y⟩ lacks of s − 1.
        diagonal: whether x and y are the same; pairs of a point with itself count nothing.
    """
    wide_vectors()
    total = 0.0
    three, fifteen, b3 = np.float32(3 * c2), np.float32(15 * c2), np.float32(3 * b)
    for row in range(start, stop):
        square, more = rows[row], more_rows[row]
        pushed = 0.0
        for low in range(0, columns, _CHUNK):
            high = min(low + _CHUNK, columns)
            x = block[row * columns + low : row * columns + high]
            y2, m, pull = others[low:high], more_others[low:high], column_pull[low:high]
            own = row - low if diagonal and low <= row < high else -1
            part, push = _ZERO, _ZERO
            for k in range(high - low):
                s = x[k] + m[k] + more
                distance = square + y2[k] - _TWO * x[k]
                w = _ONE / (c2 if distance < c2 else distance)
                f = np.sqrt(w)
                use = _ZERO if k == own else _ONE
                p = use * (w * f * (s + w * (b3 + fifteen * w)))
                part += use * (f * (s + w * (b + three * w)))
                push += p
                pull[k] += p
                x[k] = p + use * f
            total += part
            pushed += push
        row_pull[row] += np.float32(pushed)
    return total
