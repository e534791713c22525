"""IDX files: what is written comes back, and nothing but DataError ever comes out of a bad one."""

from __future__ import annotations

import contextlib
import functools
import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from datafiles import CODES, idx_bytes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lather.data.idx import read_idx
from lather.errors import DataError

#: without the time of day, which would get into the names of the tests
compress = functools.partial(gzip.compress, mtime=0)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("packed", [False, True])
def test_roundtrip(tmp_path: Path, code: str, packed: bool) -> None:
    x = np.arange(24).reshape(2, 3, 4) - (0 if code == "u1" else 7)
    data = idx_bytes(x, code)
    path = tmp_path / "a.idx"
    path.write_bytes(compress(data) if packed else data)
    read = read_idx(path)
    assert read.dtype.isnative
    assert read.dtype == np.dtype(code).newbyteorder("=")
    np.testing.assert_array_equal(read, x)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not an IDX file"),
        (b"\x89PNG\r\n\x1a\n", "not an IDX file.*89 50 4e 47"),
        (bytes([0, 0, 8, 3, 0, 0]), "inside its IDX header"),
        (bytes([0, 0, 8, 1]) + struct.pack(">I", 0), "no values"),
        (idx_bytes(np.zeros((3, 4, 4)))[:-1], "cut off"),
        (idx_bytes(np.zeros((3, 4, 4))) + b"x", "cut off or damaged"),
        (bytes([0, 0, 8, 3]) + struct.pack(">III", 2**31, 2**31, 2**31), "cut off"),
        (compress(idx_bytes(np.zeros((3, 40, 40))))[:-12], "incomplete gzip"),
        (compress(idx_bytes(np.zeros((3, 4, 4)))[:-5]), "ends after 43 bytes"),
        (compress(idx_bytes(np.zeros((3, 4, 4))) + b"more"), "goes on after the end"),
        (
            compress(bytes([0, 0, 14, 3]) + struct.pack(">III", 2**31, 2**31, 2**31)),
            "half of this machine's memory",
        ),
        (b"\x1f\x8b but not gzip", "damaged or incomplete gzip"),
    ],
)
def test_errors_name_file_and_remedy(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "bad-images-idx3-ubyte"
    path.write_bytes(data)
    with pytest.raises(DataError, match=says) as info:
        read_idx(path)
    assert str(path) in str(info.value)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=80),
        st.binary(max_size=60).map(lambda b: b"\0\0\x08" + b),
        st.binary(max_size=60).map(lambda b: b"\x1f\x8b" + b),
        st.binary(max_size=60).map(lambda b: compress(b"\0\0\x0d" + b)),
    )
)
def test_random_bytes_give_an_array_or_a_data_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "random.idx"
    path.write_bytes(data)
    with contextlib.suppress(DataError):
        assert read_idx(path).size > 0
