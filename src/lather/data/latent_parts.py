"""What is in a file of latents: its arrays by name, read when asked for."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor

from lather.data.arrays import map_npy, npz_names, read_npz_array
from lather.data.columns import find_label
from lather.data.h5ad import h5ad_names, read_h5ad
from lather.data.memory import check_room
from lather.data.parquet import parquet_names, read_parquet
from lather.data.samples import Request, Samples
from lather.data.table import read_table, table_names
from lather.errors import ConfigError, DataError

__all__ = ["NAMES", "Part", "Parts", "format_of", "listed", "named", "parts_of", "place_of"]

#: what an array is taken for by its name, in any case; in tables, ``y`` is a coordinate more often than a label
NAMES: dict[str, tuple[str, ...]] = {
    "z": ("z", "latents", "latent"),
    "mean": ("mean", "mu", "means"),
    "std": ("std", "sigma", "stds"),
    "logvar": ("logvar", "log_var", "log_variance"),
    "labels": ("labels", "y", "label"),
}
_FORMATS = {
    **{".npy": "npy", ".npz": "npz", ".safetensors": "safetensors", ".h5ad": "h5ad"},
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".csv", ".csv.gz", ".tsv", ".tsv.gz", ".tab"), "table"),
}
_PICKLES = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".joblib")
_NUMBERED = re.compile(r"(.+?)(?:[_.]?[0-9]+|\[[0-9]+\])")

Array = Tensor | np.ndarray
Part = Callable[[], tuple[Array, Array | None]]  #: reads an array, and the labels that come with it
Parts = dict[str, Part]  #: an array without a name is called ""


def format_of(path: Path) -> str | None:
    """The format that the ending of a file name stands for."""
    name = path.name.lower()
    return next((kind for ending, kind in _FORMATS.items() if name.endswith(ending)), None)


def parts_of(path: Path, *, columns: Sequence[str] | None = None, label: str | None = None) -> Parts:
    """Everything in a file that may be latents.

    In tables, columns that differ in a number only (``z_0``, ``z_1``, …) are one part; so is the whole table where
    no part has a name of ``NAMES``.

    Args:
        path: the file.
        columns: of a table, the columns to read as one part without a name.
        label: column of classes of a table, or of ``obs``.

    Raises:
        DataError: nothing there, an unknown format, or a damaged file.
        ConfigError: ``columns`` for something else than a table.
        MissingExtraError: a format that needs a package that is not installed.
    """
    kind = format_of(path)
    if path.is_dir():
        raise DataError(f"{path} is a directory without latents.safetensors; give a file of latents, or a measured run")
    if not path.is_file():
        raise DataError(f"{str(path)[:200]!r} is not an existing file; check the spelling")
    if kind is None and path.suffix.lower() in _PICKLES:
        raise DataError(
            f"{path} may be a pickle, and reading one runs whatever the file says; save the tensors with "
            "safetensors.torch.save_file or numpy.savez"
        )
    if kind is None:
        raise DataError(f"{path} has an ending that is not known; latents are read from {', '.join(_FORMATS)}")
    if columns is not None and kind not in ("table", "parquet"):
        raise ConfigError(f"columns= is for tables, and {path} is none; name an array with key= (--key)")
    if kind == "npy":
        return {"": lambda: (map_npy(path), None)}
    if kind == "npz":
        return {name: functools.partial(_alone, read_npz_array, path, name) for name in npz_names(path)}
    if kind == "safetensors":
        return {name: functools.partial(_alone, _tensor, path, name) for name in _tensor_names(path)}
    if kind == "h5ad":
        return {name: _with_labels(read_h5ad, path, Request(key=name, label=label)) for name in h5ad_names(path)}
    return _of_table(path, read_table if kind == "table" else read_parquet, columns, label)


def _of_table(
    path: Path, read: Callable[[Path, Request], Samples], columns: Sequence[str] | None, label: str | None
) -> Parts:
    request = Request(label=label)
    if columns is not None:
        return {"": _with_labels(read, path, replace(request, columns=tuple(columns)))}
    names = table_names(path) if read is read_table else parquet_names(path)
    classes = find_label(names, (), str(path), label=label)
    groups: dict[str, list[str]] = {}
    for name in names:
        if name != classes:
            match = _NUMBERED.fullmatch(name)
            groups.setdefault(match.group(1) if match else name, []).append(name)
    parts = {
        name: _with_labels(read, path, replace(request, columns=tuple(sorted(group, key=_last_number))))
        for name, group in groups.items()
    }
    known = {word for role in ("z", "mean", "std", "logvar") for word in NAMES[role]}
    if not any(name.lower() in known for name in groups):
        parts[""] = _with_labels(read, path, request)
    return parts


def _last_number(column: str) -> int:
    digits = re.findall(r"[0-9]+", column)
    return int(digits[-1]) if digits else 0


def _with_labels(read: Callable[[Path, Request], Samples], path: Path, request: Request) -> Part:
    def part() -> tuple[Array, Array | None]:
        samples = read(path, request)
        return samples.x, samples.labels

    return part


def _alone(read: Callable[[Path, str], Array], path: Path, name: str) -> tuple[Array, None]:
    return read(path, name), None


def _tensor_names(path: Path) -> list[str]:
    from safetensors import SafetensorError, safe_open

    check_room(path.stat().st_size, path)
    try:
        with safe_open(path, framework="pt") as file:
            return list(file.keys())
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{path} is not a safetensors file that can be read ({error}); write it again") from None


def _tensor(path: Path, name: str) -> Array:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return file.get_tensor(name)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{path}[{name}] cannot be read ({error}); write it again") from None


def named(role: str, parts: Parts) -> str | None:
    """The part whose name stands for ``role``; names earlier in ``NAMES`` win."""
    lower = {name.lower(): name for name in parts}
    return next((lower[word] for word in NAMES[role] if word in lower), None)


def place_of(name: str, parts: Parts) -> str | None:
    """The part called ``name``, also without the ``obsm/`` or ``layers/`` before it."""
    return next((place for place in (name, f"obsm/{name}", f"layers/{name}") if place in parts), None)


def listed(parts: Parts, most: int = 12) -> str:
    """The names of the parts, for messages."""
    names = [repr(name) for name in parts if name]
    if not names:
        return "one array without a name" if parts else "nothing"
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
