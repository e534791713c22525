"""Labels of all splits as one numbering of the classes."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lather.data.samples import Samples
from lather.errors import DataError

__all__ = ["encode", "natural"]

_HIGHEST = 2**31 - 1


def natural(text: str) -> list[tuple[int, int, str]]:
    """Sort key in which ``img2`` comes before ``img10``.

    Example:
        >>> sorted(["img10", "img2"], key=natural)
        ['img2', 'img10']
    """
    parts = re.split(r"([0-9]+)", text)
    numbers = {p: p.lstrip("0") for p in parts if p.isdigit() and p.isascii()}  # of any length: not made to integers
    return [(0, len(numbers[p]), numbers[p]) if p in numbers else (1, 0, p) for p in parts if p]


def encode(sets: Sequence[Samples]) -> tuple[list[Tensor | None], tuple[str, ...] | None]:
    """Class numbers (int64) of each set and the names of the classes, if there are names.

    Text becomes numbers in natural order over all sets together, so that a class has one number everywhere; numbers
    stay what they are. A missing label (empty text, NaN, a negative number) becomes -1.

    Raises:
        DataError: a wrong number of labels, fractions, text in one set and numbers in another, or a number
            beyond the class names of the file.
    """
    given = [_checked(s) for s in sets]
    classes = next((s.classes for s in sets if s.classes), None)
    present = [(s, y) for s, y in zip(sets, given, strict=True) if y is not None]
    text = {y.dtype.kind == "U" for _, y in present}
    if len(text) > 1:
        names = " and ".join(s.origin for s, _ in present)
        raise DataError(f"labels are text in one and numbers in the other of {names}; write them the same way in both")
    if text == {True}:
        found = sorted({str(v) for _, y in present for v in np.unique(y)} - {""}, key=natural)
        classes = tuple(found)
        number = {name: i for i, name in enumerate(classes)} | {"": -1}
        return [None if y is None else torch.tensor([number[str(v)] for v in y]) for y in given], classes
    for samples, y in present:
        if classes is not None and len(y) and int(y.max()) >= len(classes):
            raise DataError(
                f"{samples.origin}: label {int(y.max())}, but the file names only {len(classes)} classes (0 to "
                f"{len(classes) - 1}); correct the labels or the names"
            )
    return [None if y is None else torch.from_numpy(y) for y in given], classes


def _checked(samples: Samples) -> np.ndarray | None:
    y = samples.labels
    if y is None:
        return None
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.shape != (len(samples.x),):
        raise DataError(
            f"{samples.origin}: {len(samples.x)} samples, but labels of shape {y.shape}; give one label per sample"
        )
    if y.dtype.kind in "UO":
        return y.astype(str)
    if y.dtype.kind == "f":
        missing = np.isnan(y)
        if not np.array_equal(np.rint(y[~missing]), y[~missing]) or np.isinf(y).any():
            raise DataError(
                f"{samples.origin}: the labels are fractions ({y[~missing][0]:g}, ...); labels are classes: give whole "
                "numbers or text, or leave the labels out"
            )
        y = np.where(missing, -1, y)
    elif y.dtype.kind not in "bui":
        raise DataError(f"{samples.origin}: labels of type {y.dtype}; give whole numbers or text")
    if y.max() > _HIGHEST:
        raise DataError(
            f"{samples.origin}: a label of {y.max():g}; labels are class numbers from 0: number the classes"
        )
    return np.maximum(y.astype(np.int64), -1)
