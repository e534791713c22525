"""Vector instructions of full width in loops that numba compiles; see :mod:`lather.compiled`. Needs numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from numba.core import types
from numba.extending import intrinsic

__all__ = ["wide_vectors"]


def _wide_vectors(context: Any) -> Any:
    """Called first thing in a loop: let it use vectors of 512 bits where the processor has them.

    LLVM takes 256 on most processors that could do 512, as the first of them slowed down all that ran beside. Here
    matrix products with vectors of 512 bits run beside; the loops take a tenth to a quarter less time.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')  # llvmlite's own add() knows no strings
        return context.get_dummy_value()

    return types.none(), code


wide_vectors: Callable[[], None] = cast(Any, intrinsic(_wide_vectors))
