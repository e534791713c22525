"""The IDX format of the MNIST family, plain or gzipped.

Two zero bytes, a type byte, the number of dimensions, each dimension as a big-endian 32-bit integer, then the
values, big-endian (LeCun, Cortes & Burges, "The MNIST database of handwritten digits", 1998).
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from lather.data.memory import check_room, human
from lather.errors import DataError

__all__ = ["read_idx"]

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CHUNK = 1 << 20


def read_idx(path: Path) -> np.ndarray:
    """The array of an IDX file, in native byte order.

    The size that the header declares is compared with the file before anything is allocated; a gzipped file is
    unpacked piece by piece and no further than the header says.

    Raises:
        DataError: not IDX, cut off, damaged, longer than declared, or empty.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if packed:
                with gzip.open(file) as stream:
                    return _read(stream, path, held=None)
            return _read(file, path, held=path.stat().st_size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is a damaged or incomplete gzip file ({error}); fetch it again") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


def _read(stream: BufferedIOBase, path: Path, held: int | None) -> np.ndarray:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or magic[3] == 0:
        raise DataError(
            f"{path} is not an IDX file: it starts with {magic.hex(' ') or 'nothing'}, where IDX has 00 00, a type "
            "(08 to 0e) and the number of dimensions; check that this is the file you meant, or fetch it again"
        )
    dtype, dims = np.dtype(_TYPES[magic[2]]), magic[3]
    header = stream.read(4 * dims)
    if len(header) < 4 * dims:
        raise DataError(f"{path} ends inside its IDX header; fetch it again")
    shape = struct.unpack(f">{dims}I", header)
    size = math.prod(shape) * dtype.itemsize
    declared = f"an IDX header of {' x '.join(map(str, shape))} values, {human(size)}"
    if size == 0:
        raise DataError(f"{path} holds no values ({declared}); give a file with samples")
    if held is not None and size != held - 4 - 4 * dims:
        raise DataError(
            f"{path} has {declared}, but {human(held - 4 - 4 * dims)} of them ({held - 4 - 4 * dims} bytes instead "
            f"of {size}); the file is cut off or damaged: fetch it again"
        )
    check_room(size, path)
    data = bytearray()
    while len(data) < size:
        piece = stream.read(min(_CHUNK, size - len(data)))
        if not piece:
            raise DataError(f"{path} has {declared}, but ends after {len(data)} bytes; fetch it again")
        data += piece
    if stream.read(1):
        raise DataError(f"{path} goes on after the end that its header declares ({declared}); fetch it again")
    values = np.frombuffer(data, dtype=dtype).reshape(shape)
    return values if dtype.isnative else values.astype(dtype.newbyteorder("="))
