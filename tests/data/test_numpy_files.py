"""NumPy files: never unpickled, sizes checked first."""

from __future__ import annotations

import contextlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from datafiles import npy_bytes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lather.data.arrays import read_npy, read_npz
from lather.data.samples import Request
from lather.errors import DataError


@pytest.mark.parametrize(
    "x", [np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)), np.ones((2, 1), ">f4")]
)
def test_npy_roundtrip(tmp_path: Path, x: np.ndarray) -> None:
    np.save(tmp_path / "x.npy", x)
    read = read_npy(tmp_path / "x.npy")
    np.testing.assert_array_equal(read, x)
    assert read.flags.c_contiguous
    assert read.flags.writeable
    assert read.dtype.isnative


class Trap:
    """Creates a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.path,)  # type: ignore[return-value]


def test_object_array_is_refused_and_not_executed(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([Trap(tmp_path / "sprung")], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"unpickling.*astype"):
        read_npy(tmp_path / "x.npy")
    assert not (tmp_path / "sprung").exists()


def test_npy_errors(tmp_path: Path) -> None:
    good = npy_bytes(np.zeros((10, 4)))
    huge = good.replace(b"(10, 4)", b"(9999,9999,9999)"[:7])
    cases = {
        b"": "not a .npy",
        b"hello": "not a .npy",
        good[:-1]: "cut off",
        good.replace(b"(10, 4)", b"(-1, 4)"): "impossible shape|not a .npy",
        huge: "not a .npy|cut off",
        npy_bytes(np.zeros((0, 4))): "no values",
        npy_bytes(np.array(["a", "b"])): "type <U1",
        npy_bytes(np.zeros(3, dtype=complex)): "type complex128",
        npy_bytes(np.zeros(3, dtype=[("a", "f4")])): "values of type",
    }
    for data, says in cases.items():
        (tmp_path / "x.npy").write_bytes(data)
        with pytest.raises(DataError, match=says) as info:
            read_npy(tmp_path / "x.npy")
        assert "x.npy" in str(info.value)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=100),
        st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=8)).map(
            lambda t: (lambda g: g[: t[0]] + t[1] + g[t[0] + len(t[1]) :])(npy_bytes(np.zeros((3, 4))))
        ),
        st.binary(max_size=100).map(lambda b: b"\x93NUMPY\x01\x00" + bytes([len(b), 0]) + b),
    )
)
def test_random_bytes_give_an_array_or_a_data_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "random.npy"
    path.write_bytes(data)
    with contextlib.suppress(DataError):
        assert read_npy(path).size > 0


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_damaged_npz_gives_arrays_or_a_data_error(tmp_path: Path, at: int, patch: bytes) -> None:
    path = tmp_path / "random.npz"
    np.savez_compressed(path, x=np.arange(12).reshape(3, 4))
    good = path.read_bytes()
    at = min(at, len(good))
    path.write_bytes(good[:at] + patch + good[at + len(patch) :])
    with contextlib.suppress(DataError):
        read_npz(path, Request())


def test_npz_names(tmp_path: Path) -> None:
    x, y = np.zeros((5, 2)), np.arange(5)
    path = tmp_path / "a.npz"
    np.savez(path, whatever=x)
    assert read_npz(path, Request())["all"].labels is None
    np.savez(path, x=x, y=y)
    np.testing.assert_array_equal(read_npz(path, Request())["all"].labels, y)
    np.savez(path, x_train=x, y_train=y, x_test=x[:2], y_test=y[:2])
    sets = read_npz(path, Request())
    assert {k: len(s.x) for k, s in sets.items()} == {"train": 5, "test": 2}
    np.testing.assert_array_equal(sets["test"].labels, [0, 1])
    np.savez(path, a=x, b=x)
    with pytest.raises(DataError, match=r"arrays a, b.*key="):
        read_npz(path, Request())
    assert len(read_npz(path, Request(key="b"))["all"].x) == 5
    with pytest.raises(DataError, match="no array 'c'; it has a, b"):
        read_npz(path, Request(key="c"))


def test_zip_bomb_is_refused_by_its_declared_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", npy_bytes(np.zeros((3000, 1000))))
    assert path.stat().st_size < 100_000
    monkeypatch.setattr("lather.data.memory._physical", lambda: 32 << 20)
    with pytest.raises(DataError, match=r"22.9 MiB.*16.0 MiB allowed"):
        read_npz(path, Request())


def test_npz_member_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "cut.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", npy_bytes(np.zeros((30, 10)))[:-7])
    with pytest.raises(DataError, match="cut off"):
        read_npz(path, Request())
    path.write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(DataError, match=r"not a readable \.npz"):
        read_npz(path, Request())
