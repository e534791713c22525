"""What the numbers mean: finite, not all the same, and in which range."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lather.data.dataset import Scaling
from lather.errors import ConfigError, DataError

__all__ = ["check_finite", "check_varied", "standardise", "store_images", "store_table"]

_SLACK = 1e-6  # how far outside [0, 1] a float image may lie through rounding
_ROWS = 4096  # samples looked at together


def check_finite(
    x: np.ndarray,
    origin: str,
    columns: Sequence[str] | None = None,
    *,
    remedy: str = "Remove these samples or fill in the values before training",
) -> None:
    """Refuse NaN and infinities, and say how many there are, where the first one is, and the ``remedy``."""
    if x.dtype.kind != "f":
        return
    count, samples, first = 0, 0, None
    for start in range(0, len(x), _ROWS):
        part = x[start : start + _ROWS]
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(part.sum(dtype=np.float64)):
                continue
        bad = ~np.isfinite(part)
        count += int(bad.sum())
        rows = bad.reshape(len(part), -1).any(1)
        samples += int(rows.sum())
        if first is None and count:
            at = np.unravel_index(int(bad.argmax()), bad.shape)
            first = (start + int(at[0]), tuple(map(int, at[1:])), part[at])
    if first is None:
        return
    row, place, value = first
    name = f"column {columns[place[0]]!r}" if columns is not None and len(place) == 1 else f"position {place}"
    raise DataError(
        f"{origin}: {count} of {x.size} values are NaN or infinite, in {samples} of {len(x)} samples; the first is "
        f"{value} in sample {row}, {name}. {remedy}"
    )


def check_varied(x: Tensor, origin: str) -> None:
    """Refuse samples that are all the same; constant pixels or columns are fine."""
    first = x[:1]
    if all(bool((x[start : start + _ROWS] == first).all()) for start in range(0, len(x), _ROWS)):
        flat = bool((first == first.flatten()[0]).all())
        what = f"every value is {first.flatten()[0].item():g}" if flat else "every one equals the first"
        raise DataError(
            f"{origin}: all {len(x)} training samples are the same ({what}), so there is nothing to learn; check that "
            "the right file was given and that the values were not lost in a conversion"
        )


def store_images(
    sets: Sequence[np.ndarray],
    origins: Sequence[str],
    *,
    value_range: tuple[float, float] | None = None,
    decoded: bool = False,
) -> tuple[list[Tensor], Scaling]:
    """Images in the dtype they are kept in, and the map that takes them to [0, 1].

    * decoded pictures, and integers from 0 to 255: uint8, divided by 255;
    * integers that are only 0 and 1, and booleans: uint8, as they are;
    * floats in [0, 1]: float32, as they are;
    * floats that are whole numbers from 0 to 255: uint8, divided by 255;
    * ``value_range=(low, high)``: (x - low) / (high - low); uint8 where that is exact, else float32.

    All sets are looked at together, so that training and test images are read alike.

    Raises:
        DataError: another range; the message names the remedy.
    """
    low = min(float(x.min()) for x in sets)
    high = max(float(x.max()) for x in sets)
    whole = all(x.dtype.kind in "bui" or _is_whole(x) for x in sets)
    bytes_fit = whole and low >= 0 and high <= 255
    where = " and ".join(origins)
    if value_range is not None:
        bottom, top = map(float, value_range)
        if not (np.isfinite([bottom, top]).all() and bottom < top):
            raise ConfigError(f"value_range=({bottom:g}, {top:g}) is no range; give two finite numbers, low < high")
        if low < bottom or high > top:
            raise DataError(
                f"{where}: values go from {low:g} to {high:g}, outside value_range=({bottom:g}, {top:g}); give the "
                f"range that the values can take, at least ({min(low, bottom):g}, {max(high, top):g})"
            )
        return _cast(sets, bytes_fit), Scaling(bottom, top - bottom)
    if decoded:
        return _cast(sets, True), Scaling(0.0, 255.0)
    if all(x.dtype.kind in "bui" for x in sets):
        if bytes_fit:
            return _cast(sets, True), Scaling(0.0, 1.0 if high <= 1 else 255.0)
    elif low >= -_SLACK and high <= 1 + _SLACK:
        return [tensor.clamp_(0.0, 1.0) for tensor in _cast(sets, False)], Scaling()
    elif bytes_fit:
        return _cast(sets, True), Scaling(0.0, 255.0)
    guess = "(-1, 1)" if -1 <= low < 0 and high <= 1 else "(0, 255)" if low >= 0 and high <= 255 else None
    guess = guess or ("(0, 65535)" if whole and low >= 0 and high <= 65535 else f"({low:g}, {high:g})")
    raise DataError(
        f"{where}: image values go from {low:g} to {high:g} ({sets[0].dtype}); understood without being told are "
        f"floats in [0, 1] and whole numbers from 0 to 255. Say which values mean black and white: value_range={guess} "
        "(--value-range)"
    )


def store_table(x: np.ndarray) -> Tensor:
    """Features in float32, or in float64 where they came so: standardising needs the digits."""
    wide = x.dtype in (np.float64, np.int32, np.int64, np.uint32, np.uint64)
    return torch.from_numpy(_writable(x, np.float64 if wide else np.float32))


def _is_whole(x: np.ndarray) -> bool:
    return all(bool((np.rint(x[s : s + _ROWS]) == x[s : s + _ROWS]).all()) for s in range(0, len(x), _ROWS))


def _cast(sets: Sequence[np.ndarray], as_bytes: bool) -> list[Tensor]:
    dtype = np.uint8 if as_bytes else np.float32
    return [torch.from_numpy(_writable(x, dtype)) for x in sets]


def _writable(x: np.ndarray, dtype: type) -> np.ndarray:
    x = np.ascontiguousarray(x, dtype=dtype)
    return x if x.flags.writeable else x.copy()


def standardise(x: Tensor, columns: Sequence[str] | None) -> tuple[Scaling, tuple[str, ...]]:
    """Mean and standard deviation of each column of ``x`` (n, F) in float64, and what to note about them.

    A column that is constant has no spread to divide by: it is only centred (scale 1), which makes it 0.
    """
    mean = x.new_zeros(x.shape[1], dtype=torch.float64)
    for start in range(0, len(x), _ROWS):
        mean += x[start : start + _ROWS].double().sum(0)
    mean /= len(x)
    square = torch.zeros_like(mean)
    for start in range(0, len(x), _ROWS):
        square += (x[start : start + _ROWS].double() - mean).square().sum(0)
    deviation = (square / len(x)).sqrt()
    constant = deviation <= 1e-12 * mean.abs()
    scaling = Scaling(mean, torch.where(constant, torch.ones_like(deviation), deviation))
    if not constant.any():
        return scaling, ()
    numbers = constant.nonzero()[:, 0].tolist()
    shown = ", ".join(str(i) if columns is None else repr(columns[i]) for i in numbers[:8])
    note = (
        f"{len(numbers)} of {x.shape[1]} columns are constant in the training split and carry nothing to learn; they "
        f"are only centred: {shown}{', ...' * (len(numbers) > 8)}"
    )
    return scaling, (note,)
