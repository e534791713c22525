"""Loops over the numbers of a block, compiled to machine code by numba where that is installed (extra ``fast``).

A formula of twenty operations makes PyTorch go over a block twenty times; one compiled loop goes once. Such a loop is
an ordinary Python function of NumPy arrays, decorated with :func:`compiled`, in a module named ``fused`` that is
imported late; it is compiled when first called, and numba keeps the code beside the module, as Python keeps its
``.pyc``. Who calls it asks :func:`compiles` first and has the same formula in PyTorch for where the answer is no:
without numba, on other devices, in other precisions, for small blocks (importing numba takes longer than what there
is to save). The answer follows from the shapes alone, so that a run and its resumption round alike.

``LATHER_COMPILED=0`` in the environment switches all of it off.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from torch import Tensor

__all__ = ["compiled", "compiles", "installed", "over", "shared_out"]

T = TypeVar("T")

#: may reorder sums and divide by multiplying; NaN and infinities stay what they are
_LIBERTIES = {"reassoc", "nsz", "contract", "arcp"}


@functools.cache
def installed() -> bool:
    """Whether numba is installed and ``LATHER_COMPILED`` does not say 0."""
    return os.environ.get("LATHER_COMPILED", "1") != "0" and importlib.util.find_spec("numba") is not None


def compiles(block: Tensor, numbers: int, least: int) -> bool:
    """Whether to use compiled loops: a float32 ``block`` on the CPU, and work on at least ``least`` numbers in all."""
    return numbers >= least and block.device.type == "cpu" and block.dtype == torch.float32 and installed()


def compiled(function: Callable[..., T]) -> Callable[..., T]:
    """``function`` as machine code, made at its first call or read from numba's cache. Imports numba."""
    import numba

    function = inspect.unwrap(function)  # what a type checker may have put around it cannot be compiled
    how: dict[str, Any] = {"nogil": True, "fastmath": _LIBERTIES, "error_model": "numpy"}
    try:
        code: Callable[..., T] = numba.njit(cache=True, **how)(function)
    except RuntimeError:  # nowhere to keep it: no folder can be written to
        code = numba.njit(**how)(function)
    return code


def over(block: Tensor, loop: Callable[..., T], *arguments: Any) -> list[T]:
    """What ``loop(numbers, apart, columns, start, stop, *arguments)`` gives for each part of the rows of ``block``.

    A block whose rows are contiguous, ``apart`` numbers from each other, is given as one NumPy array: a loop over that
    runs over neighbours, which is what lets it use the processor's vector instructions.
    """
    rows, columns = block.shape
    apart = block.stride(0)
    assert columns == 1 or block.stride(1) == 1
    numbers = block.as_strided(((rows - 1) * apart + columns,), (1,), block.storage_offset()).numpy()
    return shared_out(rows, lambda start, stop: loop(numbers, apart, columns, start, stop, *arguments))


def shared_out(rows: int, work: Callable[[int, int], T]) -> list[T]:
    """``work(start, stop)`` for as many parts of ``range(rows)`` as PyTorch has threads, each in a thread."""
    threads = min(torch.get_num_threads(), rows)
    if threads == 1:
        return [work(0, rows)]
    edges = [rows * i // threads for i in range(threads + 1)]
    return list(_pool(threads, os.getpid()).map(work, edges[:-1], edges[1:]))


@functools.lru_cache(maxsize=1)
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads of this very process: those of a parent do not live on in a forked child."""
    return ThreadPoolExecutor(threads, thread_name_prefix="lather")
