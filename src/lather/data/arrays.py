"""NumPy files: ``.npy`` and ``.npz``, never unpickled."""

from __future__ import annotations

import contextlib
import math
import re
import zipfile
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import cast

import numpy as np

from lather.data.memory import check_room, human
from lather.data.samples import Request, Samples
from lather.errors import DataError

__all__ = ["map_npy", "npz_names", "read_npy", "read_npz", "read_npz_array"]

_SPLITS = {"train": "train", "test": "test", "val": "validation", "valid": "validation", "validation": "validation"}
_VALUES = ("x", "images", "image", "data", "features", "z", "latents", "arr")
_LABELS = ("y", "labels", "label", "targets", "target")


def read_npy(path: Path) -> np.ndarray:
    """The array of a ``.npy`` file.

    Raises:
        DataError: not a ``.npy`` file, an object array, cut off, or damaged.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return _read_array(file, path.stat().st_size, str(path))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


def map_npy(path: Path) -> np.ndarray:
    """The array of a ``.npy`` file, left on disk: pages are read when they are looked at, and writing changes a copy.

    Bytes of the other order are read and turned instead. A file that shrinks while it is mapped ends the process.

    Raises:
        DataError: as :func:`read_npy`.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            shape, fortran, dtype = _read_header(file, path.stat().st_size, str(path))
            start = file.tell()
        if not dtype.isnative:
            return read_npy(path)
        mapped = np.memmap(path, dtype=dtype, mode="c", offset=start, shape=shape, order="F" if fortran else "C")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    return np.asarray(mapped)


def _read_header(file: BufferedIOBase, held: int, where: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and dtype, all checked; ``file`` is then at the first value."""
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
        else:
            raise ValueError(f"version {version} is for structured arrays")
        start = file.tell()
    except Exception as error:  # the header is parsed as a Python literal, and parsers fail in many ways
        reason = str(error).partition("\n")[0][:120]
        raise DataError(f"{where} is not a .npy array that can be read ({reason}); write it with numpy.save") from None
    if dtype.kind not in "buif":
        detail = (
            "Python objects, which only unpickling could read, and unpickling runs whatever the file says"
            if dtype.hasobject
            else f"values of type {dtype}"
        )
        raise DataError(
            f"{where} holds {detail}; save plain numbers of one shape: numpy.save(path, array.astype('float32'))"
        )
    if any(type(s) is not int or s < 0 for s in shape):  # True is an int to numpy's parser
        raise DataError(f"{where} declares the impossible shape {shape}; write it again with numpy.save")
    size = math.prod(shape) * dtype.itemsize
    if size > held - start:
        raise DataError(
            f"{where} declares an array of shape {shape} ({human(size)}), but holds {human(max(held - start, 0))}; "
            "the file is cut off: fetch or write it again"
        )
    if size == 0:
        raise DataError(f"{where} holds no values (shape {shape}); give a file with samples")
    return shape, fortran, dtype


def _read_array(file: BufferedIOBase, held: int, where: str) -> np.ndarray:
    """Header first: dtype and declared size are checked before anything is allocated."""
    shape, fortran, dtype = _read_header(file, held, where)
    size = math.prod(shape) * dtype.itemsize
    check_room(size, where)
    try:
        data = file.read(size)
    except (zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise DataError(f"{where} is damaged ({error}); fetch or write it again") from None
    if len(data) < size:
        raise DataError(f"{where} ends after {len(data)} of {size} bytes; fetch or write it again")
    values = np.frombuffer(bytearray(data), dtype=dtype).reshape(shape, order="F" if fortran else "C")
    return np.ascontiguousarray(values, dtype=dtype.newbyteorder("="))


def read_npz(path: Path, request: Request) -> dict[str, Samples]:
    """The sets of a ``.npz`` file, keyed ``all``, ``train``, ``validation`` or ``test``.

    Recognised are a lone array; ``x`` (or ``images``, ``data``, ``features``) with ``y`` (or ``labels``,
    ``targets``); and either pair with ``_train``, ``_val``, ``_test``, as in Keras' ``mnist.npz``. ``key=`` names
    the array otherwise.

    Raises:
        DataError: not a ``.npz`` file, damaged, too large, or with no array that stands out.
    """
    path = Path(path)
    with _archive(path) as (archive, members):
        sets = {}
        for name, (x, y) in _choose(members, request.key, path).items():
            values = _read_member(archive, members[x], path)
            labels = None if y is None else _read_member(archive, members[y], path)
            sets[name] = _subset(values, labels, f"{path}[{x}]", request)
        return sets


def npz_names(path: Path) -> list[str]:
    """Names of the arrays in a ``.npz`` file; :class:`DataError` where it is none."""
    with _archive(path) as (_, members):
        return list(members)


def read_npz_array(path: Path, name: str) -> np.ndarray:
    """One array of a ``.npz`` file, of those that :func:`npz_names` lists; raises as :func:`read_npz`."""
    with _archive(path) as (archive, members):
        return _read_member(archive, members[name], path)


@contextlib.contextmanager
def _archive(path: Path) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """A ``.npz`` file and its members by name; whatever fails in the block for the file's sake becomes a DataError."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {i.filename.removesuffix(".npy"): i for i in archive.infolist() if i.filename.endswith(".npy")}
            check_room(sum(info.file_size for info in members.values()), path)
            yield archive, members
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is not a readable .npz file ({error}); write it with numpy.savez") from None


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> np.ndarray:
    with archive.open(member) as file:
        return _read_array(
            cast(BufferedIOBase, file), member.file_size, f"{path}[{member.filename.removesuffix('.npy')}]"
        )


def _subset(values: np.ndarray, labels: np.ndarray | None, origin: str, request: Request) -> Samples:
    rows = request.rows(len(values)) if values.ndim else None
    if rows is not None:
        labels = labels[rows] if labels is not None and len(labels) == len(values) else labels
        values = values[rows]
    return Samples(values, origin, labels)


def _choose(names: dict[str, zipfile.ZipInfo], key: str | None, path: Path) -> dict[str, tuple[str, str | None]]:
    """Which array is what: ``{set: (values, labels)}``."""
    if key is not None:
        if key not in names:
            raise DataError(f"{path} has no array {key!r}; it has {', '.join(sorted(names)) or 'none'}")
        return {"all": (key, None)}
    values: dict[str, str] = {}
    labels: dict[str, str] = {}
    for name in names:
        words = [w for w in re.split(r"[^a-z]+", name.lower()) if w]
        split = next((_SPLITS[w] for w in words if w in _SPLITS), "all")
        rest = [w for w in words if w not in _SPLITS]
        if not rest and split != "all":  # "train", "test"
            values.setdefault(split, name)
        for found, known in ((values, _VALUES), (labels, _LABELS)):
            if rest and rest[-1] in known:
                found.setdefault(split, name)
    if not values and len(names) == 1:
        values = {"all": next(iter(names))}
    if not values or ("all" in values and len(values) > 1):
        raise DataError(
            f"{path} holds the arrays {', '.join(sorted(names)) or '(none)'}, and which one is the data is not clear; "
            "name it: key=... (--key), or store it as 'x' with labels as 'y'"
        )
    return {split: (name, labels.get(split)) for split, name in values.items()}
