"""Tables as text: CSV and TSV, plain or gzipped."""

from __future__ import annotations

import contextlib
import csv
import gzip
import zlib
from collections.abc import Iterator
from io import TextIOWrapper
from itertools import islice
from pathlib import Path

import numpy as np

from lather.data.columns import choose_columns
from lather.data.memory import check_room
from lather.data.samples import Request, Samples
from lather.errors import DataError

__all__ = ["read_table", "table_names"]

_BLOCK = 8192  # rows converted together
_LONGEST = 1 << 24  # characters of a line; a small packed file can hold one that fills the memory
_HELD = 1 << 26  # characters of the rows converted together


def read_table(path: Path, request: Request) -> Samples:
    """Feature columns, and labels where a column is one, of a CSV or TSV file in UTF-8.

    The separator is a tab in ``.tsv`` files, else whichever of comma, semicolon and tab the first line has most of. A
    first line in which any field is no number holds the names. A first column without a name is the row index that
    pandas writes, and is left out.

    Raises:
        DataError: empty, ragged, not text, or with fields that are no numbers; the line is named.
    """
    path = Path(path)
    with _opened(path) as file:
        return _read(file, path, request)


def table_names(path: Path) -> list[str]:
    """Names of the columns, or their numbers where the first line holds none; raises as :func:`read_table`."""
    path = Path(path)
    with _opened(path) as file:
        names, _ = _head(file, path)
    return [name for name in names if name]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[TextIOWrapper]:
    """The text of a file; what fails in the block for the file's sake becomes a DataError."""
    try:
        with _open(path) as file:
            yield file
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not text in UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is a damaged or incomplete gzip file ({error}); fetch it again") from None
    except csv.Error as error:
        raise DataError(f"{path} is not a table that can be read ({error}); save it as plain CSV") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


def _open(path: Path) -> TextIOWrapper:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _head(file: TextIOWrapper, path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Names of the columns, and the rows that follow."""
    first = file.readline(_LONGEST)
    tabbed = path.name.lower().removesuffix(".gz").endswith((".tsv", ".tab"))
    separator = "\t" if tabbed else max(",;\t", key=first.count)
    file.seek(0)
    reader = csv.reader(_lines(file, path), delimiter=separator)
    rows = _rows(reader, path)
    head = next(rows, None)
    if head is None:
        raise DataError(f"{path} is empty; give a table with one row per sample")
    if all(_is_number(field) for field in head[1]):
        names = [str(i) for i in range(len(head[1]))]
        return names, _chain(head, rows)
    names = [field.strip() for field in head[1]]
    if "" in names[1:] or len(set(names)) < len(names):
        twice = sorted({n for n in names if names.count(n) > 1 or not n})
        raise DataError(f"{path}: columns need names that differ; these do not: {twice}")
    return names, rows


def _read(file: TextIOWrapper, path: Path, request: Request) -> Samples:
    names, rows = _head(file, path)
    kept = [n for n in names if n]
    block = _block(rows)
    if not block:
        raise DataError(f"{path} has a header and no rows; give a table with one row per sample")
    numeric = {n for n in kept if all(_is_number(r[names.index(n)]) or not r[names.index(n)] for _, r in block)}
    features, label = choose_columns(kept, numeric, str(path), columns=request.columns, label=request.label)
    places, label_at = [names.index(n) for n in features], None if label is None else names.index(label)
    values: list[np.ndarray] = []
    labels: list[str] = []
    total = 0
    while block:
        values.append(_numbers(block, places, features, path))
        if label_at is not None:
            labels.extend(r[label_at].strip() for _, r in block)
        total += values[-1].nbytes
        check_room(total, path)
        block = _block(rows)
    x = np.concatenate(values)
    y = None if label_at is None else _label_values(labels)
    chosen = request.rows(len(x))
    if chosen is not None:
        x, y = x[chosen], None if y is None else y[chosen]
    return Samples(x, str(path), y, columns=tuple(features))


def _chain(head: tuple[int, list[str]], rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    yield head
    yield from rows


def _lines(file: TextIOWrapper, path: Path) -> Iterator[str]:
    while line := file.readline(_LONGEST):
        if len(line) == _LONGEST:
            raise DataError(
                f"{path} has a line of more than {_LONGEST >> 20} million characters, which is no row of a table; "
                "write one row a line"
            )
        yield line


def _block(rows: Iterator[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """The next rows, as many as are held in memory at once."""
    block, held = [], 0
    for row in islice(rows, _BLOCK):
        block.append(row)
        held += sum(map(len, row[1]))
        if held > _HELD:
            break
    return block


def _rows(reader: Iterator[list[str]], path: Path) -> Iterator[tuple[int, list[str]]]:
    """Non-empty rows with their line numbers, all of one length."""
    width = None
    for row in reader:
        line = reader.line_num  # type: ignore[attr-defined]
        if not any(field.strip() for field in row):
            continue
        width = len(row) if width is None else width
        if len(row) != width:
            raise DataError(
                f"{path}, line {line}: {len(row)} fields where the lines before have {width}; every row needs as many"
            )
        yield line, row


def _numbers(block: list[tuple[int, list[str]]], places: list[int], names: list[str], path: Path) -> np.ndarray:
    try:
        return np.array([[row[p] or "nan" for p in places] for _, row in block]).astype(np.float64)
    except ValueError:
        for line, row in block:
            for place, name in zip(places, names, strict=True):
                if row[place] and not _is_number(row[place]):
                    raise DataError(
                        f"{path}, line {line}, column {name!r}: {row[place][:40]!r} is no number; correct it, or "
                        "leave the column out with columns= (--columns)"
                    ) from None
        raise


def _label_values(labels: list[str]) -> np.ndarray:
    if any(labels) and all(_is_number(v) or not v for v in labels):
        return np.array([float(v) if v else np.nan for v in labels])
    return np.array(labels, dtype=str)


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return "_" not in field
