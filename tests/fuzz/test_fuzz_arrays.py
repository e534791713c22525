"""Damaged ``.npy``, ``.npz``, ``.safetensors`` and IDX files, as data and as latents."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import damage
import numpy as np
import pytest
from fuzzing import fuzzed, outcome
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from lather.data import Latents, load
from lather.data.latent_blocks import pieces_of, read_piece

VALUES = np.random.default_rng(0).normal(size=(20, 3)).astype("f4")


MEMBERS = {
    "z.npy": damage.as_npy(VALUES),
    "mean.npy": damage.as_npy(VALUES),
    "std.npy": damage.as_npy(VALUES**2 + 1),
    "labels.npy": damage.as_npy(np.arange(20) % 3),
}
TENSORS = save({"z": VALUES, "mean": VALUES + 1, "logvar": VALUES, "labels": np.arange(20) % 3})
IDX = bytes([0, 0, 8, 3]) + struct.pack(">3I", 20, 4, 4) + bytes(range(160)) * 2


def read_all(path: Path) -> list[object]:
    """As data, as latents, and as latents in pieces."""
    kind = path.name.partition(".")[2]
    found: list[object] = []
    if kind in ("npy", "npz"):
        found.append(outcome(lambda: load(path, progress=False), path.name))
    found.append(outcome(lambda: Latents.read(path).draws().tolist(), path.name))
    if kind in ("npy", "safetensors"):
        found.append(outcome(lambda: [x.tolist() for p in pieces_of(path) for x in read_piece(p)], path.name))
    return found


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.unlink(missing_ok=True)  # a file that is mapped must not shrink
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("name", "data"), [("a.npy", damage.as_npy(VALUES)), ("a.safetensors", TENSORS)])
def test_whole_files_are_read(tmp_path: Path, name: str, data: bytes) -> None:
    assert all(found is not None for found in read_all(written(tmp_path, name, data)))
    path = written(tmp_path, "a.idx", IDX)
    assert outcome(lambda: load(path), "a.idx") is not None


@fuzzed(12)
@given(data=damage.npy(damage.as_npy(VALUES)))
def test_npy(tmp_path: Path, data: bytes) -> None:
    read_all(written(tmp_path, "a.npy", data))


@fuzzed(12)
@given(data=damage.npz(MEMBERS))
def test_npz(tmp_path: Path, data: bytes) -> None:
    read_all(written(tmp_path, "a.npz", data))


@fuzzed(12)
@given(data=damage.safetensors(TENSORS))
def test_safetensors(tmp_path: Path, data: bytes) -> None:
    read_all(written(tmp_path, "a.safetensors", data))


@fuzzed(12)
@given(data=damage.idx(IDX), packed=st.booleans(), cut=st.integers(0, 40))
def test_idx(tmp_path: Path, data: bytes, packed: bool, cut: int) -> None:
    data = gzip.compress(data, 1, mtime=0)[: -cut or None] if packed else data
    path = written(tmp_path, "a-ubyte.gz" if cut % 2 else "a.idx", data)
    outcome(lambda: load(path, progress=False), path.name)
