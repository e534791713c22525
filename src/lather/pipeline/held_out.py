"""Which latents are audited, and which are those of training data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lather.data import Latents
from lather.data.latents import Array
from lather.errors import ConfigError, ShapeError
from lather.train.seeds import reseed

__all__ = ["HeldOut", "divide"]

_STREAM = 8  # of random numbers: which latents are set aside

HeldOut = Array | Latents | tuple[Array, Array] | str | Path | float


def divide(
    first: Latents, held_out: HeldOut | None, how: Mapping[str, Any], seed: int
) -> tuple[Latents, Latents | None, Tensor | None]:
    """Latents to audit; those of training data, where they are told apart; and which rows of ``first`` are audited.

    The last is a mask (n,), or ``None`` where held-out latents are not a part of ``first``.

    Args:
        first: what was given first.
        held_out: see :func:`lather.audit`.
        how: names that ``first`` was read with; those that are no files are looked for in a held-out file, too.
        seed: of a random division.

    Raises:
        ConfigError: a share that is none, or a tuple that is no pair.
        ShapeError: a mask of another length, or latents of other dimensions.
    """
    if held_out is None:
        return first, None, None
    mask = _mask(held_out, first, seed)
    if mask is not None:
        return first.some(mask), first.some(~mask), mask
    other = _others(held_out, how)
    if other.d != first.d:
        raise ShapeError(
            f"held-out latents have {other.d} dimensions and training latents {first.d}; both must come from the same "
            "encoder"
        )
    return other, first, None


def _mask(held_out: HeldOut, first: Latents, seed: int) -> Tensor | None:
    """True for the rows of ``first`` that are held out; ``None`` where held-out latents are given themselves."""
    n = len(first)
    if isinstance(held_out, (bool, int, float)):
        if isinstance(held_out, bool) or not 0 < held_out < 1:
            raise ConfigError(f"held_out={held_out}: a share lies between 0 and 1, such as 0.2 for a fifth")
        order = torch.randperm(n, generator=reseed(torch.Generator(), seed, _STREAM))
        mask = torch.zeros(n, dtype=torch.bool)
        mask[order[: round(held_out * n)]] = True
        return mask
    if not isinstance(held_out, (Tensor, np.ndarray)) or held_out.dtype not in (torch.bool, np.bool_):
        return None
    mask = torch.as_tensor(held_out).detach().cpu()
    if mask.shape != (n,):
        raise ShapeError(f"the mask held_out has shape {tuple(mask.shape)}; for {n} latents it must be ({n},)")
    return mask


def _others(held_out: HeldOut, how: Mapping[str, Any]) -> Latents:
    if isinstance(held_out, Latents):
        return held_out
    if isinstance(held_out, (str, Path)):
        same = {name: value for name, value in how.items() if name == "columns" or _is_name(value)}
        if str(held_out).lower().endswith(".npy"):
            same = {}  # its one array has no name
        return Latents.read(held_out, **same)
    if isinstance(held_out, tuple):
        if len(held_out) != 2:
            raise ConfigError(f"held_out is a tuple of {len(held_out)}; give (mean, std), an array, or Latents")
        return Latents(mean=held_out[0], std=held_out[1], origin="the held-out latents")
    assert isinstance(held_out, (Tensor, np.ndarray))
    return Latents(held_out, origin="the held-out latents")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and not Path(value).expanduser().is_file()
