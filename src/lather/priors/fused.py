"""Loops over a tile of logits that take several steps in one go; see :mod:`lather.compiled`. Needs numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from lather.compiled import compiled
from lather.vectors import wide_vectors

__all__ = ["add_tile"]

_NOTHING = np.float32(-np.inf)
_FLOOR = np.float32(-115.0)  # 2^-115 is nothing beside the largest term
_CEILING, _RISE = np.float32(60.0), np.float32(30.0)
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
def _larger(context: Any, best: Any, bits: Any) -> Any:
    """The larger of ``best`` and of the float32 with these bits, as int32 in the order of the floats."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        best, bits = arguments
        bits = _ordered(builder, bits)
        return builder.select(builder.icmp_signed(">", bits, best), bits, best)

    return types.int32(types.int32, types.int32), code


@intrinsic
def _as_float(context: Any, best: Any) -> Any:
    """The float32 that :func:`_larger` found."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir

        return builder.bitcast(_ordered(builder, arguments[0]), ir.FloatType())

    return types.float32(types.int32), code


def _ordered(builder: Any, bits: Any) -> Any:
    """Bits of a float32 as an int32 that is ordered as the floats are, and back."""
    from llvmlite import ir

    whole = ir.IntType(32)
    negative = builder.ashr(bits, ir.Constant(whole, 31))
    return builder.xor(bits, builder.and_(negative, ir.Constant(whole, 0x7FFFFFFF)))


@compiled
def _power_of_two(a: Any) -> Any:
    """2ᵃ for −115 < a < 60, and that of the limits beyond."""
    a = _FLOOR if a < _FLOOR else a
    a = _CEILING if a > _CEILING else a
    n = np.floor(a + _HALF)
    r = a - n
    p = ((((_P5 * r + _P4) * r + _P3) * r + _P2) * r + _P1) * r + _P0
    return _times_power_of_two(p, n)  # type: ignore[call-arg]


@compiled
def _add(row: int, base: Any, high: Any, part: Any, harm: Any, top: Any, total: Any, risk: Any) -> None:
    """``part`` = Σ exp(a − base) of a row of which ``high`` is the largest."""
    if high > top[row]:
        smaller = np.exp(np.float64(top[row]) - np.float64(high))
        total[row] *= smaller
        risk[row] *= smaller
        top[row] = high
    share = np.exp(np.float64(base) - np.float64(top[row])) * part
    total[row] += share
    risk[row] += share * harm[row]


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
    wide_vectors()
    found = 0
    few = min(columns, 64)
    for row in range(start, stop):
        x, key = block[row * columns : (row + 1) * columns], keys[row * columns : (row + 1) * columns]
        best = np.int32(-(2**31))
        if not needed or depth[row] == _NOTHING:  # nothing is set aside
            for k in range(few):
                best = _larger(best, key[k])  # type: ignore[call-arg]
            high: Any = _as_float(best)  # type: ignore[call-arg]
            if high > low[row] - nothing[row]:  # the row matters: its sum beside its maximum, in one pass
                base = max(high, top[row])
                part = _ZERO
                for k in range(columns):
                    best = _larger(best, key[k])
                    part += _power_of_two((x[k] - base) * _LOG2E)
                high = _as_float(best)
                if high - base < _RISE:
                    low[row] = max(low[row], high - error[row])
                    _add(row, base, high, part, harm, top, total, risk)
                    continue
        for k in range(columns):
            best = _larger(best, key[k])  # type: ignore[call-arg]
        high = _as_float(best)  # type: ignore[call-arg]
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
            part += _power_of_two((x[k] - high) * _LOG2E)
        _add(row, high, high, part, harm, top, total, risk)
    return found
