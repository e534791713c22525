"""AnnData files (``.h5ad``) of single-cell measurements, read with h5py alone."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lather.data.columns import LABELS
from lather.data.memory import check_room
from lather.data.samples import Request, Samples
from lather.errors import DataError, MissingExtraError

__all__ = ["h5ad_names", "read_h5ad"]

_ROWS = 4096  # rows read together


def read_h5ad(path: Path, request: Request) -> Samples:
    """``X``, dense or sparse, or what ``request.key`` names (``X_pca``, ``obsm/X_pca``, ``layers/counts``).

    Labels are the column ``request.label`` of ``obs``, or one with a usual name (``cell_type``, ``label``, ...).
    Gene names come from ``var``; ``request.columns`` selects genes. Values are taken as they are: normalise and
    log-transform counts first. Links into other files are not followed.

    Raises:
        MissingExtraError: h5py is not installed.
        DataError: not HDF5, damaged, or without the matrix or column asked for.
    """
    path = Path(path)
    with _opened(path) as file:
        place, node = _find_matrix(file, request.key, path)
        shape = _shape(node)
        if len(shape) != 2 or 0 in shape:
            raise DataError(f"{path}[{place}] has shape {shape}; a matrix of samples and features is needed")
        rows = request.rows(shape[0])
        names = _gene_names(file, place, shape[1])
        keep = _selected(names, request.columns, f"{path}[{place}]")
        check_room((shape[0] if rows is None else len(rows)) * shape[1] * 8, path)
        x = _dense(node, shape, rows) if hasattr(node, "shape") else _sparse(node, shape, rows)
        labels = _labels(file, request.label, path)
    if labels is not None and rows is not None and len(labels) == shape[0]:
        labels = labels[rows]
    if keep is not None and names is not None:
        x, names = x[:, keep], tuple(names[i] for i in keep)
    return Samples(x, f"{path}[{place}]", labels, columns=names)


def h5ad_names(path: Path) -> list[str]:
    """Places of the matrices in a file: ``X``, ``obsm/X_pca``, …; raises as :func:`read_h5ad`."""
    with _opened(Path(path)) as file:
        return _places(file)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file; whatever fails in the block for the file's sake becomes a DataError."""
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("h5py", "h5ad", f"reading {path.name}") from None
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, RuntimeError, TypeError, ValueError, IndexError) as error:
        if isinstance(error, DataError):
            raise
        reason = str(error).partition("\n")[0][:160]
        raise DataError(f"{path} is not an .h5ad file that can be read ({reason}); fetch or write it again") from None


def _get(file: Any, place: str) -> Any:
    """The object at ``place``, or ``None``; links to elsewhere count as absent."""
    import h5py

    node = file
    for part in place.strip("/").split("/"):
        if not isinstance(node, h5py.Group) or not isinstance(node.get(part, getlink=True), h5py.HardLink):
            return None
        node = node[part]
    return None if isinstance(node, h5py.Dataset) and node.external else node


def _find_matrix(file: Any, key: str | None, path: Path) -> tuple[str, Any]:
    for place in ["X"] if key is None else [key, f"obsm/{key}", f"layers/{key}"]:
        node = _get(file, place)
        if node is not None and _shape(node):
            return place, node
    have = ", ".join(_places(file)) or "none"
    raise DataError(f"{path} has no matrix {key or 'X'!r}; it has {have}: name one, key=... (--key)")


def _places(file: Any) -> list[str]:
    have = [k for k in ("X",) if _get(file, k) is not None]
    return have + [f"{group}/{k}" for group in ("obsm", "layers") for k in (_get(file, group) or ())]


def _shape(node: Any) -> tuple[int, ...]:
    if hasattr(node, "shape"):
        return tuple(node.shape)
    declared = node.attrs.get("shape", node.attrs.get("h5sparse_shape"))
    return () if declared is None else tuple(int(s) for s in declared)


def _dense(node: Any, shape: tuple[int, ...], rows: np.ndarray | None) -> np.ndarray:
    if rows is None:
        return _whole(node)
    parts = []
    for start in range(0, shape[0], _ROWS):
        here = rows[(rows >= start) & (rows < start + _ROWS)] - start
        if len(here):
            parts.append(node[start : start + _ROWS][here])
    return np.concatenate(parts)


def _whole(node: Any) -> np.ndarray:
    """All values of a dataset, whose declared size is checked first: a small file can declare any."""
    if not hasattr(node, "shape"):
        raise ValueError("a part of it is missing, or no array")
    check_room(math.prod(node.shape) * node.dtype.itemsize, f"{node.file.filename}[{node.name}]")
    return np.asarray(node[()])


def _sparse(node: Any, shape: tuple[int, ...], rows: np.ndarray | None) -> np.ndarray:
    """A compressed matrix as a dense one: segment i of ``indices`` and ``data`` is row (CSR) or column (CSC) i."""
    kind = node.attrs.get("encoding-type", node.attrs.get("h5sparse_format", "csr"))
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    major = 0 if kind.startswith("csr") else 1
    starts, minor, data = (_whole(_get(node, part)) for part in ("indptr", "indices", "data"))
    bound = shape[1 - major]
    if (
        len(starts) != shape[major] + 1
        or len(minor) != len(data)
        or starts[0] != 0
        or starts[-1] != len(data)
        or (np.diff(starts) < 0).any()
        or (len(minor) and not (minor.min() >= 0 and minor.max() < bound))
    ):
        raise ValueError("its sparse matrix contradicts itself")
    outer = np.repeat(np.arange(shape[major]), np.diff(starts))
    row, column = (outer, minor) if major == 0 else (minor, outer)
    if rows is not None:
        number = np.full(shape[0], -1)
        number[rows] = np.arange(len(rows))
        kept = number[row] >= 0
        row, column, data = number[row[kept]], column[kept], data[kept]
    out = np.zeros((shape[0] if rows is None else len(rows), shape[1]), dtype=np.promote_types(data.dtype, np.float32))
    np.add.at(out, (row, column), data)
    return out


def _gene_names(file: Any, place: str, n: int) -> tuple[str, ...] | None:
    if place != "X" and not place.startswith("layers/"):
        return None
    var = _get(file, "var")
    index = None if var is None else _get(file, f"var/{_text(var.attrs.get('_index', '_index'))}")
    if index is None or getattr(index, "shape", None) != (n,):
        return None
    return tuple(_text(v) for v in _whole(index))


def _selected(names: tuple[str, ...] | None, columns: tuple[str, ...] | None, origin: str) -> list[int] | None:
    if columns is None:
        return None
    number = {name: i for i, name in enumerate(names or ())}
    missing = [c for c in columns if c not in number]
    if missing:
        raise DataError(
            f"{origin} has no column {missing[0]!r}; its names are {', '.join(list(number)[:8]) or 'unknown'}, ..."
        )
    return [number[c] for c in columns]


def _labels(file: Any, label: str | None, path: Path) -> np.ndarray | None:
    obs = _get(file, "obs")
    names = [] if obs is None else list(obs)
    if label is None:
        label = next((n for n in names if n.lower() in LABELS), None)
        if label is None:
            return None
    node = _get(file, f"obs/{label}") if label in names else None
    if node is None:
        raise DataError(f"{path} has no column {label!r} in obs; it has {', '.join(names) or 'none'}")
    if hasattr(node, "shape"):
        values = _whole(node)
        return values if values.dtype.kind in "buif" else np.array([_text(v) for v in values], dtype=str)
    categories = np.array([_text(v) for v in _whole(_get(node, "categories"))] + [""], dtype=str)
    codes = _whole(_get(node, "codes"))
    if len(codes) and not (codes.min() >= -1 and codes.max() < len(categories) - 1):
        raise ValueError(f"the categories of obs/{label} contradict themselves")
    return categories[codes]


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
