"""Parquet files: embedded pictures, or columns of numbers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lather.data.columns import choose_columns, find_label
from lather.data.images import Picture, decode
from lather.data.memory import check_room
from lather.data.samples import Request, Samples
from lather.errors import DataError, MissingExtraError

__all__ = ["is_vector", "opened", "parquet_names", "read_parquet"]

_PART = 1 << 27  # bytes that a part of a row group may unpack to, at worst
_PREFERRED = ("image", "img")  # among several picture columns


def read_parquet(path: Path, request: Request) -> Samples:
    """Pictures or features, and labels, of a Parquet file.

    A column of bytes, or of structs with a field ``bytes`` (as Hugging Face datasets store images), holds encoded
    pictures. Without one, the numeric columns, and columns of number lists of one length, are features. Class names
    come from the Hugging Face metadata of the file, or from the label column where that is text.

    Raises:
        MissingExtraError: pyarrow is not installed.
        DataError: not Parquet, damaged, empty, or without columns that can be used.
    """
    path = Path(path)
    with opened(path) as file:
        schema = file.schema_arrow
        if file.metadata.num_rows == 0:
            raise DataError(f"{path} has no rows; give a file with samples")
        picture = _picture_column(schema, request.columns, path)
        if picture is None:
            usable = {field.name for field in schema if _is_numeric(field.type) or is_vector(field.type)}
            columns, label = choose_columns(
                schema.names, usable, str(path), columns=request.columns, label=request.label
            )
        else:
            columns, label = [picture], find_label(schema.names, (picture,), str(path), label=request.label)
        table = _rows(file, [*columns, *([label] if label else [])], request, path)
        labels = None if label is None else _labels(table[label])
        classes = None if label is None else _class_names(schema, label)
        if picture is not None:
            pictures = _pictures(table[picture], picture, path)
            return Samples(decode(pictures, request), str(path), labels, classes, decoded=True)
        x, names = _features(table, columns, path)
        return Samples(x, str(path), labels, classes, columns=tuple(names))


def parquet_names(path: Path) -> list[str]:
    """Names of the columns of a Parquet file; raises as :func:`read_parquet`."""
    with opened(Path(path)) as file:
        return list(file.schema_arrow.names)


@contextlib.contextmanager
def opened(source: str | Path) -> Iterator[Any]:
    """The file at a path or a URL that fsspec knows; whatever fails in the block for its sake becomes a DataError."""
    name = str(source)
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet", f"reading {name.rpartition('/')[2]}") from None
    try:
        with contextlib.ExitStack() as stack:
            where: Any = source
            if "://" in name:
                import fsspec

                where = stack.enter_context(fsspec.open(name, "rb"))
            yield stack.enter_context(pq.ParquetFile(where))
    except (pa.ArrowException, OSError, ImportError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise DataError(
            f"{source} is not a Parquet file that can be read ({reason}); fetch or write it again"
        ) from None


def _picture_column(schema: Any, asked: tuple[str, ...] | None, path: Path) -> str | None:
    found = [f.name for f in schema if _is_bytes(f.type) or _is_picture_struct(f.type)]
    if asked is not None:
        chosen = [name for name in asked if name in found]
        if chosen and len(asked) > 1:
            raise DataError(f"{path}: column {chosen[0]!r} holds pictures; name it alone in columns=, not with others")
        return chosen[0] if chosen else None
    if len(found) > 1:
        found = [name for name in _PREFERRED if name in found] or found
        if found[0] not in _PREFERRED:
            raise DataError(f"{path} has several picture columns, {', '.join(found)}; name one: columns={found[0]}")
    return found[0] if found else None


def _is_bytes(kind: Any) -> bool:
    import pyarrow.types as t

    return t.is_binary(kind) or t.is_large_binary(kind)


def _is_picture_struct(kind: Any) -> bool:
    import pyarrow.types as t

    return t.is_struct(kind) and any(f.name == "bytes" and (_is_bytes(f.type) or t.is_null(f.type)) for f in kind)


def _is_numeric(kind: Any) -> bool:
    import pyarrow.types as t

    return t.is_integer(kind) or t.is_floating(kind) or t.is_boolean(kind)


def is_vector(kind: Any) -> bool:
    """Whether a column of this type holds lists of numbers."""
    import pyarrow.types as t

    return (t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind)) and _is_numeric(kind.value_type)


def _rows(file: Any, columns: list[str], request: Request, path: Path) -> Any:
    """The wanted rows of the wanted columns, one row group after the other."""
    import pyarrow as pa

    rows = request.rows(file.metadata.num_rows)
    schema = file.schema_arrow.empty_table().select(columns).schema
    parts: list[Any] = []
    start, declared = 0, 0
    for group in range(file.num_row_groups):
        meta = file.metadata.row_group(group)
        here = None if rows is None else rows[(rows >= start) & (rows < start + meta.num_rows)] - start
        start += meta.num_rows
        if here is not None and not len(here):
            continue
        for i in range(meta.num_columns):
            column = meta.column(i)
            if column.path_in_schema.partition(".")[0] in columns:
                declared += column.total_uncompressed_size
        check_room(declared, path)
        held = sum(part.nbytes for part in parts)
        part = pa.Table.from_batches(_batches(file, group, columns, path, held), schema)
        parts.append(part if here is None else part.take(pa.array(here)))
    return pa.concat_tables(parts)


def _batches(file: Any, group: int, columns: list[str], path: Path, held: int) -> Iterator[Any]:
    """A row group in parts so small that what they unpack to can be checked before the next one.

    A column that repeats a few values takes no room in the file, however many rows it has: its declared size says
    nothing of what it unpacks to, only that no value is larger.
    """
    meta = file.metadata.row_group(group)
    largest = max((meta.column(i).total_uncompressed_size for i in range(meta.num_columns)), default=1)
    size = min(max(_PART // max(largest, 1), 1), 1 << 16)
    for batch in file.iter_batches(batch_size=size, row_groups=[group], columns=columns):
        held += batch.nbytes
        check_room(held, path)
        yield batch


def _pictures(column: Any, name: str, path: Path) -> list[Picture]:
    pictures = []
    for row, value in enumerate(column.to_pylist()):
        data = value.get("bytes") if isinstance(value, dict) else value
        if data is None:
            where = f" (its path is {value.get('path')!r})" if isinstance(value, dict) else ""
            raise DataError(
                f"{path}, row {row}: column {name!r} holds no bytes{where}; write the pictures themselves into the "
                "file, or give the folder that holds them"
            )
        pictures.append(Picture(f"{path}, row {row}", data))
    return pictures


def _features(table: Any, columns: list[str], path: Path) -> tuple[np.ndarray, list[str]]:
    import pyarrow as pa

    blocks, names = [], []
    for name in columns:
        column = table[name]
        if is_vector(column.type):
            flat = column.combine_chunks().flatten()
            width, rest = divmod(len(flat), len(column))
            lengths = {None if v is None else len(v) for v in column}
            if rest or not width or lengths != {width}:
                raise DataError(
                    f"{path}: the lists of column {name!r} differ in length or are missing; make them equal"
                )
            names += [f"{name}[{i}]" for i in range(width)]
        else:
            flat, width = column, 1
            names.append(name)
        if pa.types.is_boolean(flat.type):
            flat = flat.cast(pa.uint8())
        if flat.null_count:
            flat = flat.cast(pa.float64())
        values = flat.to_numpy() if isinstance(flat, pa.ChunkedArray) else flat.to_numpy(zero_copy_only=False)
        blocks.append(values.reshape(len(column), width))
    return np.concatenate(blocks, axis=1), names


def _labels(column: Any) -> np.ndarray:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array([v or "" for v in column.to_pylist()], dtype=str)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if column.null_count and _is_numeric(column.type):
        column = column.cast(pa.float64())
    return np.asarray(column.to_numpy())


def _class_names(schema: Any, label: str) -> tuple[str, ...] | None:
    """Names from ``{"info": {"features": {label: {"names": [...]}}}}`` in the file's metadata."""
    try:
        names = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return tuple(map(str, names)) if isinstance(names, list) and names else None
