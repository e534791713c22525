"""Loops over a tile of logits that take several steps in one go; see :mod:`lather.compiled`. Needs numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from lather.compiled import compiled

__all__ = ["exp_sums"]

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


@compiled
def exp_sums(block: Any, columns: int, start: int, stop: int, top: Any, out: Any) -> None:
    """Σ_j exp(block_ij − top_i) of rows ``start`` to ``stop`` of a contiguous block, for −∞ ≤ block_ij ≤ top_i."""
    for row in range(start, stop):
        x, high, total = block[row * columns : (row + 1) * columns], top[row], _ZERO
        for k in range(columns):
            a = (x[k] - high) * _LOG2E
            a = _FLOOR if a < _FLOOR else a
            n = np.floor(a + _HALF)
            r = a - n
            p = ((((_P5 * r + _P4) * r + _P3) * r + _P2) * r + _P1) * r + _P0
            total += _times_power_of_two(p, n)  # type: ignore[call-arg]  # the context is numba's to give
        out[row] = total
