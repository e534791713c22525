"""Latents of files that are larger than memory, a block at a time."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lather.data.arrays import map_npy
from lather.data.latent_parts import NAMES, format_of
from lather.data.parquet import is_vector, opened
from lather.errors import DataError

__all__ = ["Piece", "pieces_of", "read_piece", "sources"]

_VALUES = 2**24  #: numbers in one piece


@dataclass(frozen=True)
class Piece:
    """Some rows of one file.

    Attributes:
        source: path or URL.
        first, rows: which of its rows.
        start: place of the first of them in the whole sample.
        group: row groups of a Parquet file, from the first to before the last.
        columns: of a Parquet file, those that are z.
        key: array of a safetensors file.
    """

    source: str
    first: int
    rows: int
    start: int
    d: int
    groups: tuple[int, int] = (0, 0)
    columns: tuple[str, ...] = ()
    key: str = ""


def sources(pattern: str | Path | Sequence[str | Path]) -> list[str]:
    """Files and URLs that a pattern names, in the order of their names.

    Args:
        pattern: a path, a pattern such as ``latents/*.parquet``, a directory, a URL that fsspec knows (with ``*``,
            too), or several of these.

    Raises:
        DataError: nothing is found.
    """
    if isinstance(pattern, (list, tuple)):
        return [found for one in pattern for found in sources(one)]
    text = str(pattern)
    if "://" in text:
        import fsspec

        system, path = fsspec.core.url_to_fs(text)
        found = sorted(system.glob(path)) if glob.has_magic(path) else [path]
        names = [system.unstrip_protocol(one) for one in found]
    else:
        try:
            place = Path(text).expanduser()
            if place.is_dir():
                names = [str(one) for one in sorted(place.iterdir()) if format_of(one) in _READERS]
            else:
                names = [text] if place.is_file() else sorted(glob.glob(str(place)))
        except (OSError, ValueError, RuntimeError) as error:  # too long a name, a zero byte, the home of nobody
            raise DataError(f"{text[:200]!r} cannot be looked up ({error!s:.100}); check the spelling") from None
    if not names:
        raise DataError(f"{text!r} names no file of latents; check the spelling (quote patterns with *)")
    return names


def pieces_of(pattern: str | Path | Sequence[str | Path], *, key: str | None = None) -> list[Piece]:
    """All rows of all files as pieces of at most 16 million numbers or one row group; nothing but heads is read.

    Args:
        pattern: see :func:`sources`. ``.npy``, ``.safetensors`` and ``.parquet`` files.
        key: array of safetensors files, or column (of lists, or the common name of numbered columns) of Parquet files;
            by default what is called ``z`` or ``latents``, or the only one there is.

    Raises:
        DataError: no such file, a file that cannot be read in pieces, or files of different dimensions.
    """
    pieces: list[Piece] = []
    start = 0
    for source in sources(pattern):
        kind = format_of(Path(source))
        if kind not in _READERS:
            raise DataError(
                f"{source} cannot be read a block at a time; store latents as .npy, .safetensors or .parquet"
            )
        for piece in _READERS[kind][0](source, key):
            if pieces and piece.d != pieces[0].d:
                raise DataError(f"{source} holds latents of d={piece.d} and {pieces[0].source} of d={pieces[0].d}")
            pieces.append(Piece(**{**piece.__dict__, "start": start}))
            start += piece.rows
    return pieces


def read_piece(piece: Piece) -> Iterator[np.ndarray]:
    """The rows of a piece, in blocks (m, d)."""
    kind = format_of(Path(piece.source))
    assert kind is not None
    yield from _READERS[kind][1](piece)


def _cut(source: str, n: int, d: int, key: str = "") -> list[Piece]:
    size = max(_VALUES // d, 1)
    return [Piece(source, first, min(size, n - first), 0, d, key=key) for first in range(0, n, size)]


def _npy_pieces(source: str, key: str | None) -> list[Piece]:
    array = _local_npy(source)
    n = len(array)
    return _cut(source, n, array[:1].size)


def _npy_rows(piece: Piece) -> Iterator[np.ndarray]:
    array = _local_npy(piece.source)
    yield np.asarray(array[piece.first : piece.first + piece.rows]).reshape(piece.rows, piece.d)


def _local_npy(source: str) -> np.ndarray:
    array = map_npy(_local(source))
    if array.ndim < 2 or not len(array):
        raise DataError(f"{source} holds an array of shape {array.shape}; latents are (n, d) with n ≥ 1")
    if array.dtype.kind != "f":
        raise DataError(f"{source} holds values of type {array.dtype}; latents are floating-point numbers")
    return array


def _local(source: str) -> Path:
    if "://" in source and not source.startswith("file://"):
        raise DataError(f"{source}: only Parquet files are read through URLs; fetch it, or convert it to Parquet")
    return Path(source.removeprefix("file://")).expanduser()


def _safetensors_pieces(source: str, key: str | None) -> list[Piece]:
    with _tensors(source) as file:
        names = list(file.keys())
        name = _choose(names, key, source)
        shape = file.get_slice(name).get_shape()
    if len(shape) < 2 or not shape[0]:
        raise DataError(f"{source}: {name!r} has shape {tuple(shape)}; latents are (n, d) with n ≥ 1")
    return _cut(source, shape[0], int(np.prod(shape[1:])), name)


def _safetensors_rows(piece: Piece) -> Iterator[np.ndarray]:
    with _tensors(piece.source) as file:
        part = file.get_slice(piece.key)[piece.first : piece.first + piece.rows]
        if not part.is_floating_point():
            raise DataError(f"{piece.source}: {piece.key!r} holds {part.dtype}; latents are floating-point numbers")
        part = part.reshape(piece.rows, piece.d)
        yield (part if part.element_size() >= 4 else part.float()).numpy()


def _tensors(source: str) -> Any:
    from safetensors import SafetensorError, safe_open

    path = _local(source)
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{path} is damaged or no safetensors file: {error}") from None


def _parquet_pieces(source: str, key: str | None) -> list[Piece]:
    with opened(source) as file:
        columns, vectors = _columns(file.schema_arrow, key, source)
        d = _width(file, columns[0], source) if vectors else len(columns)
        pieces, first, begin, rows = [], 0, 0, 0
        for group in range(file.num_row_groups):
            rows += file.metadata.row_group(group).num_rows
            if rows * d >= _VALUES or group == file.num_row_groups - 1:
                if rows:
                    pieces.append(Piece(source, first, rows, 0, d, (begin, group + 1), tuple(columns)))
                first, begin, rows = first + rows, group + 1, 0
        return pieces


def _parquet_rows(piece: Piece) -> Iterator[np.ndarray]:
    rows = max(_VALUES // piece.d, 1)
    with opened(piece.source) as file:
        groups = list(range(*piece.groups))
        for batch in file.iter_batches(batch_size=rows, row_groups=groups, columns=list(piece.columns)):
            yield _values(batch, piece)


def _values(batch: Any, piece: Piece) -> np.ndarray:
    blocks = []
    for name in piece.columns:
        column = batch.column(name)
        if column.null_count:
            raise DataError(f"{piece.source}: column {name!r} has missing values; fill or drop them")
        flat = column.flatten() if is_vector(column.type) else column
        if flat.null_count or len(flat) % len(column):
            raise DataError(f"{piece.source}: the lists of column {name!r} differ in length or have missing values")
        blocks.append(flat.to_numpy(zero_copy_only=False).reshape(len(column), -1))
    values = blocks[0] if len(blocks) == 1 else np.stack([block[:, 0] for block in blocks], 1)
    if values.shape[1] != piece.d:
        raise DataError(f"{piece.source}: lists of {values.shape[1]} numbers, where {piece.d} were expected")
    return values if values.flags.writeable else values.copy()  # torch takes no others


def _columns(schema: Any, key: str | None, source: str) -> tuple[list[str], bool]:
    """Columns that are z, and whether they are one column of lists."""
    import pyarrow.types as t

    vectors = [field.name for field in schema if is_vector(field.type)]
    numbers = [field.name for field in schema if t.is_floating(field.type)]
    groups: dict[str, list[str]] = {}
    for name in numbers:
        stem = name.rstrip("0123456789").rstrip("_")
        groups.setdefault(stem if stem != name else name, []).append(name)
    name = _choose([*vectors, *groups], key, source)
    if name in vectors:
        return [name], True
    return sorted(groups[name], key=lambda column: int("0" + column[len(column.rstrip("0123456789")) :])), False


def _choose(names: Sequence[str], key: str | None, source: str) -> str:
    if key is not None:
        if key not in names:
            raise DataError(f"{source} has no latents called {key!r}; it has {', '.join(names) or 'nothing'}")
        return key
    known = [name for name in names if name.lower() in NAMES["z"]]
    if known or len(names) == 1:
        return (known or list(names))[0]
    raise DataError(
        f"{source} holds {', '.join(names) or 'no floating-point numbers'}, and which of them the latents are is not "
        "clear; name it: key=… (--key)"
    )


def _width(file: Any, column: str, source: str) -> int:
    for batch in file.iter_batches(batch_size=1, columns=[column]):
        return len(batch.column(column)[0])
    raise DataError(f"{source} has no rows")


_READERS: dict[str | None, Any] = {
    "npy": (_npy_pieces, _npy_rows),
    "safetensors": (_safetensors_pieces, _safetensors_rows),
    "parquet": (_parquet_pieces, _parquet_rows),
}
