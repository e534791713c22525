"""NumPy files: ``.npy`` and ``.npz``, never unpickled."""

from __future__ import annotations

import math
import re
import zipfile
import zlib
from io import BufferedIOBase
from pathlib import Path
from typing import cast

import numpy as np

from lather.data.memory import check_room, human
from lather.data.samples import Request, Samples
from lather.errors import DataError

__all__ = ["read_npy", "read_npz"]

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


def _read_array(file: BufferedIOBase, held: int, where: str) -> np.ndarray:
    """Header first: dtype and declared size are checked before anything is allocated."""
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
    if any(s < 0 for s in shape):
        raise DataError(f"{where} declares the impossible shape {shape}; write it again with numpy.save")
    size = math.prod(shape) * dtype.itemsize
    if size > held - start:
        raise DataError(
            f"{where} declares an array of shape {shape} ({human(size)}), but holds {human(max(held - start, 0))}; "
            "the file is cut off: fetch or write it again"
        )
    if size == 0:
        raise DataError(f"{where} holds no values (shape {shape}); give a file with samples")
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
    try:
        with zipfile.ZipFile(path) as archive:
            members = {i.filename.removesuffix(".npy"): i for i in archive.infolist() if i.filename.endswith(".npy")}
            check_room(sum(info.file_size for info in members.values()), path)
            sets = {}
            for name, (x, y) in _choose(members, request.key, path).items():
                values = _read_member(archive, members[x], path)
                labels = None if y is None else _read_member(archive, members[y], path)
                sets[name] = _subset(values, labels, f"{path}[{x}]", request)
            return sets
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
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
