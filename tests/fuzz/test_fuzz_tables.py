"""Damaged CSV, Parquet and HDF5 files, as data and as latents."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import damage
import numpy as np
import pytest
from fuzzing import fuzzed, outcome
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lather.data import Latents, load
from lather.data.latent_blocks import pieces_of, read_piece

ROWS = np.random.default_rng(0).normal(size=(20, 3))
CSV = ("z_0,z_1,z_2,label\n" + "".join(f"{a:.3g},{b:.3g},{c:.3g},k{a > 0}\n" for a, b, c in ROWS)).encode()
TOKENS = (
    b",",
    b"\n",
    b'"',
    b"\r",
    b"\x00",
    b";",
    b"\t",
    b"nan",
    b"1e999",
    b"-inf",
    b"1_0",
    b"0x1",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"9" * 5000,
    b"label",
    "é".encode(),
    b"\n\n",
    b'""',
    b"\xe2\x80\xa8",
    "٣".encode(),
)


def picture(level: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4), level, np.uint8)).save(file, "PNG")
    return file.getvalue()


def parquet(columns: dict[str, object], metadata: dict[str, str] | None = None) -> bytes:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table(columns)
    file = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), file, row_group_size=8)
    return file.getvalue()


def h5ad() -> bytes:
    h5py = pytest.importorskip("h5py")
    file = io.BytesIO()
    with h5py.File(file, "w") as out:
        sparse = out.create_group("X")
        sparse.attrs["encoding-type"], sparse.attrs["shape"] = "csr_matrix", np.array([20, 3])
        sparse["indptr"], sparse["indices"], sparse["data"] = (
            np.arange(0, 61, 3),
            np.tile(np.arange(3), 20),
            ROWS.ravel(),
        )
        out["obsm/X_pca"] = ROWS
        out["obs/label/categories"], out["obs/label/codes"] = np.array([b"a", b"b"]), np.arange(20) % 2
        out["var/_index"] = np.array([b"g1", b"g2", b"g3"])
    return file.getvalue()


def read_all(path: Path, *, pieces: bool = False) -> None:
    outcome(lambda: load(path, progress=False), path.name)
    outcome(lambda: Latents.read(path).draws().tolist(), path.name)
    if pieces:
        outcome(lambda: [x.tolist() for p in pieces_of(path) for x in read_piece(p)], path.name)


def test_whole_files_are_read(tmp_path: Path) -> None:
    files = {"a.csv": CSV, "a.parquet": parquet({"z": list(ROWS), "label": ["a", "b"] * 10}), "a.h5ad": h5ad()}
    for name, data in files.items():
        path = tmp_path / name
        path.write_bytes(data)
        assert len(load(path).train) == 16
        assert len(Latents.read(path)) == 20


@fuzzed(12)
@given(data=damage.damaged(CSV, TOKENS), packed=st.booleans())
def test_csv(tmp_path: Path, data: bytes, packed: bool) -> None:
    path = tmp_path / ("a.csv.gz" if packed else "a.csv")
    path.write_bytes(gzip.compress(data, 1, mtime=0) if packed else data)
    read_all(path)


@fuzzed(8)
@given(data=st.data())
def test_parquet_of_numbers(tmp_path: Path, data: st.DataObject) -> None:
    listed = parquet({"z": list(ROWS), "label": ["a", "b"] * 10})
    flat = parquet({"z_0": ROWS[:, 0], "z_1": ROWS[:, 1], "y": [*range(19), None]})
    (tmp_path / "a.parquet").write_bytes(data.draw(damage.damaged(data.draw(st.sampled_from([listed, flat])))))
    read_all(tmp_path / "a.parquet", pieces=True)


@fuzzed(8)
@given(data=st.data())
def test_parquet_of_pictures(tmp_path: Path, data: st.DataObject) -> None:
    names = damage.json_bytes(data.draw(damage.edited({"info": {"features": {"label": {"names": ["a", "b"]}}}})))
    bad = data.draw(damage.png(picture(0)))
    cells = [{"bytes": picture(10 * i), "path": None} for i in range(10)] + [{"bytes": bad, "path": "<b>"}]
    (tmp_path / "a.parquet").write_bytes(
        parquet(
            {"image": cells, "label": [i % 2 for i in range(11)]}, {"huggingface": names.decode("utf-8", "replace")}
        )
    )
    outcome(lambda: load(tmp_path / "a.parquet", progress=False), "a.parquet")


@fuzzed(8)
@given(data=st.data())
def test_h5ad(tmp_path: Path, data: st.DataObject) -> None:
    (tmp_path / "a.h5ad").write_bytes(data.draw(damage.damaged(h5ad(), most=8)))
    read_all(tmp_path / "a.h5ad")
