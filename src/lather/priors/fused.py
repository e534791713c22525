"""Loops over a tile of logits that take several steps in one go; see :mod:`lather.compiled`. Needs numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from lather.compiled import compiled

__all__ = ["add_tile"]

_NOTHING = np.float32(-np.inf)
_FLOOR = np.float32(-115.0)  # 2^-115 is nothing beside the largest term
_ZERO, _HALF, _LOG2E = np.float32(0.0), np.float32(0.5), np.float32(1.4426950408889634)
# 2^r on |r| ≤ ½, by least squares reweighted towards the largest relative error, which is 7·10⁻⁸
_P0, _P1, _P2 = np.float32(1.0000000716546713), np.float32(0.6931469670643549), np.float32(0.24022119723882873)
_P3, _P4, _P5 = np.float32(0.055507132741608574), np.float32(0.00967554133272146), np.float32(0.0013276471778026198)


@intrinsic
def _times_power_of_two(context: Any, x: Any, n: Any) -> Any:
    """x · 2ⁿ for float32, by adding the whole number n to the exponent of x."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir

        x, n = arguments
        whole = ir.IntType(32)
        shifted = builder.shl(builder.fptosi(n, whole), ir.Constant(whole, 23))
        return builder.bitcast(builder.add(builder.bitcast(x, whole), shifted), ir.FloatType())

    return types.float32(types.float32, types.float32), code


@intrinsic
def _as_float(context: Any, bits: Any) -> Any:
    """The float32 of which an int32 has the bits."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir

        return builder.bitcast(builder.trunc(arguments[0], ir.IntType(32)), ir.FloatType())

    return types.float32(types.int64), code


@compiled
def add_tile(
    block: Any,
    keys: Any,
    columns: int,
    start: int,
    stop: int,
    error: Any,
    depth: Any,
    nothing: Any,
    harm: Any,
    needed: bool,
    low: Any,
    top: Any,
    total: Any,
    risk: Any,
    near_row: Any,
    near_column: Any,
    near_logit: Any,
) -> int:
    """Add Σ_j exp(block_ij) of rows ``start`` to ``stop`` of a tile to what earlier tiles gave; see ``screened.py``.

    Args:
        block: the logits, contiguous, and ``keys`` the same memory as int32; numbers set aside become −∞.
        error, depth, nothing, harm: bounds for each row in this tile.
        needed: whether numbers within ``depth`` of the top are to be set aside.
        low: what the largest logit of a row is at least, so far.
        top, total, risk: of each row so far the largest logit, Σ exp(a − top), and what that may be off by.
        near_row, near_column, near_logit: room for what is set aside.

    Returns:
        How many were set aside; −1 where there was no room for them.
    """
    found = 0
    for row in range(start, stop):
        x, key = block[row * columns : (row + 1) * columns], keys[row * columns : (row + 1) * columns]
        best = np.int32(-(2**31))
        for k in range(columns):
            a = key[k]
            best = max(best, a ^ ((a >> np.int32(31)) & np.int32(0x7FFFFFFF)))  # ordered as the floats are
        high: Any = _as_float(best ^ ((best >> np.int32(31)) & np.int32(0x7FFFFFFF)))  # type: ignore[call-arg]
        low[row] = max(low[row], high - error[row])
        if not high > low[row] - nothing[row]:
            continue
        least = low[row] - depth[row]
        if needed and high > least:
            for k in range(columns):
                if x[k] > least:
                    if found == len(near_row):
                        return -1
                    near_row[found], near_column[found], near_logit[found] = row, k, x[k]
                    found += 1
                    x[k] = _NOTHING
        part = _ZERO
        for k in range(columns):
            a = (x[k] - high) * _LOG2E
            a = _FLOOR if a < _FLOOR else a
            n = np.floor(a + _HALF)
            r = a - n
            p = ((((_P5 * r + _P4) * r + _P3) * r + _P2) * r + _P1) * r + _P0
            part += _times_power_of_two(p, n)
        if high > top[row]:
            smaller = np.exp(np.float64(top[row]) - np.float64(high))
            total[row] *= smaller
            risk[row] *= smaller
            top[row] = high
        share = np.exp(np.float64(high) - np.float64(top[row])) * part
        total[row] += share
        risk[row] += share * harm[row]
    return found
