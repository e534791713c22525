"""AnnData files written by hand with h5py, dense and sparse."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from lather.data.h5ad import read_h5ad
from lather.data.samples import Request
from lather.errors import DataError, MissingExtraError

h5py = pytest.importorskip("h5py")
X = np.random.default_rng(0).poisson(0.7, (30, 5)).astype(np.float32)


def write(path: Path, layout: str = "dense") -> Path:
    with h5py.File(path, "w") as file:
        if layout == "dense":
            file["X"] = X
        else:
            matrix = sparse.csr_matrix(X) if layout == "csr" else sparse.csc_matrix(X)
            group = file.create_group("X")
            group.attrs["encoding-type"] = f"{layout}_matrix"
            group.attrs["shape"] = X.shape
            for part in ("data", "indices", "indptr"):
                group[part] = getattr(matrix, part)
        file["obsm/X_pca"] = X[:, :2] * 2
        var = file.create_group("var")
        var.attrs["_index"] = "_index"
        var["_index"] = [f"gene{i}" for i in range(5)]
        kind = file.create_group("obs/cell_type")
        kind["categories"] = ["B", "T"]
        kind["codes"] = np.array([-1, 0, 1] * 10, dtype=np.int8)
        file["obs/batch"] = np.arange(30)
    return path


@pytest.mark.parametrize("layout", ["dense", "csr", "csc"])
@pytest.mark.parametrize("limit", [None, 8])
def test_matrix_labels_and_genes(tmp_path: Path, layout: str, limit: int | None) -> None:
    request = Request(limit=limit, label="batch")
    samples = read_h5ad(write(tmp_path / "a.h5ad", layout), request)
    assert samples.columns == tuple(f"gene{i}" for i in range(5))
    rows = samples.labels
    assert rows is not None
    assert len(rows) == (limit or 30)
    np.testing.assert_array_equal(samples.x, X[rows])


def test_keys_columns_and_categories(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5ad")
    assert list(read_h5ad(path, Request()).labels[:4]) == ["", "B", "T", ""]  # type: ignore[index]
    for key in ("X_pca", "obsm/X_pca"):
        np.testing.assert_array_equal(read_h5ad(path, Request(key=key)).x, X[:, :2] * 2)
    chosen = read_h5ad(path, Request(columns=("gene3", "gene0")))
    np.testing.assert_array_equal(chosen.x, X[:, [3, 0]])
    assert chosen.columns == ("gene3", "gene0")


def test_errors(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5ad")
    for request, says in (
        (Request(key="nope"), "no matrix 'nope'; it has X, obsm/X_pca"),
        (Request(label="nope"), "no column 'nope' in obs; it has .*cell_type"),
        (Request(columns=("nope",)), "no column 'nope'"),
    ):
        with pytest.raises(DataError, match=says):
            read_h5ad(path, request)
    with h5py.File(write(path, "csr"), "r+") as file:
        file["X/indices"][0] = 99
    with pytest.raises(DataError, match="contradicts itself"):
        read_h5ad(path, Request())
    with h5py.File(write(path, "csr"), "r+") as file:
        file["X/indptr"][1:3] = file["X/indptr"][()][[3, 1]]
    with pytest.raises(DataError, match="contradicts itself"):
        read_h5ad(path, Request())
    path.write_bytes(b"not hdf5")
    with pytest.raises(DataError, match=r"not an \.h5ad file"):
        read_h5ad(path, Request())


def test_links_into_other_files_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "other.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        file["X"] = h5py.ExternalLink("other.h5ad", "X")
    with pytest.raises(DataError, match="no matrix 'X'; it has none"):
        read_h5ad(tmp_path / "a.h5ad", Request())


def test_values_stored_in_other_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(np.arange(12.0).tobytes())
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        file.create_dataset("X", (6, 2), dtype="f8", external=[(str(tmp_path / "secret"), 0, 96)])
    with pytest.raises(DataError, match="no matrix 'X'"):
        read_h5ad(tmp_path / "a.h5ad", Request())


def test_a_declared_giant_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        file.create_dataset("X", (10**7, 10**7), dtype="f4", chunks=(100, 100))
    with pytest.raises(DataError, match="half of this machine's memory"):
        read_h5ad(tmp_path / "a.h5ad", Request())


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lather\[h5ad\]'"):
        read_h5ad(tmp_path / "a.h5ad", Request())
