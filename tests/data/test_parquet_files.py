"""Parquet: embedded pictures as Hugging Face stores them, plain bytes, numbers and lists of numbers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from datafiles import encoded
from PIL import Image

from lather.data.parquet import read_parquet
from lather.data.samples import Request
from lather.errors import DataError, MissingExtraError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def png(level: int) -> bytes:
    return encoded(Image.fromarray(np.full((4, 5), level, np.uint8)))


def write(path: Path, columns: dict[str, object], metadata: dict[bytes, bytes] | None = None, group: int = 3) -> Path:
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path, row_group_size=group)
    return path


HUB = {b"huggingface": json.dumps({"info": {"features": {"label": {"names": ["no", "yes"]}}}}).encode()}


@pytest.mark.parametrize("struct", [False, True])
def test_pictures_labels_and_class_names(tmp_path: Path, struct: bool) -> None:
    data = [png(i) for i in range(10)]
    column = [{"bytes": d, "path": None} for d in data] if struct else data
    path = write(tmp_path / "a.parquet", {"img": column, "label": [i % 2 for i in range(10)]}, HUB)
    samples = read_parquet(path, Request())
    assert samples.decoded
    assert samples.classes == ("no", "yes")
    assert samples.x.shape == (10, 1, 4, 5)
    np.testing.assert_array_equal(samples.x[:, 0, 0, 0], np.arange(10))
    assert samples.labels is not None
    np.testing.assert_array_equal(samples.labels, np.arange(10) % 2)


def test_limit_takes_the_same_rows_of_pictures_and_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"image": [png(i) for i in range(20)], "label": list(range(20))})
    samples = read_parquet(path, Request(limit=7, seed=3))
    np.testing.assert_array_equal(samples.x[:, 0, 0, 0], samples.labels)
    assert len(samples.x) == 7
    assert list(samples.labels) != list(range(7))  # type: ignore[arg-type]


def test_feature_columns_lists_and_text_labels(tmp_path: Path) -> None:
    z = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(12.0)), 2)
    columns = {"a": list(range(6)), "b": [True, False] * 3, "z": z, "class": list("xyxyxz")}
    samples = read_parquet(write(tmp_path / "a.parquet", columns), Request())
    assert samples.columns == ("a", "b", "z[0]", "z[1]")
    np.testing.assert_array_equal(samples.x[2], [2, 1, 4, 5])
    assert list(samples.labels) == list("xyxyxz")  # type: ignore[arg-type]
    picked = read_parquet(tmp_path / "a.parquet", Request(columns=("b", "a")))
    np.testing.assert_array_equal(picked.x[3], [0, 3])


def test_nulls_become_nan_to_be_reported(tmp_path: Path) -> None:
    samples = read_parquet(write(tmp_path / "a.parquet", {"a": [1, None, 3], "b": [1.0, 2.0, None]}), Request())
    assert np.isnan(samples.x).sum() == 2


def test_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    cases: list[tuple[dict[str, object], Request, str]] = [
        (
            {"image": [{"bytes": None, "path": "a.png"}]},
            Request(),
            r"row 0: .* no bytes \(its path is 'a.png'",
        ),
        ({"image": [b"nonsense"]}, Request(), "row 0 cannot be decoded"),
        ({"left": [png(1)], "right": [png(1)]}, Request(), "several picture columns, left, right.*columns=left"),
        ({"a": [1.0], "name": ["x"]}, Request(), "column 'name' holds something other than numbers.*columns=a"),
        ({"a": [1.0]}, Request(columns=("b",)), "no column 'b'; it has 'a'"),
        ({"a": [1.0]}, Request(label="b"), "no column 'b'; it has 'a'"),
        ({"z": [[1.0], [1.0, 2.0], [3.0]]}, Request(), "differ in length"),
        ({"image": [png(1)], "a": [1.0]}, Request(columns=("image", "a")), "name it alone"),
        ({"a": pa.array([], pa.float32())}, Request(), "no rows"),
    ]
    for columns, request, says in cases:
        with pytest.raises(DataError, match=says) as info:
            read_parquet(write(path, columns), request)
        assert "a.parquet" in str(info.value)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="not a Parquet file"):
        read_parquet(path, Request())
    path.write_bytes(b"")
    with pytest.raises(DataError, match="not a Parquet file"):
        read_parquet(path, Request())


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lather\[parquet\]'"):
        read_parquet(tmp_path / "a.parquet", Request())


def test_broken_metadata_is_ignored(tmp_path: Path) -> None:
    for junk in (b"{", b"[]", b'{"info": 3}', b'{"info": {"features": {"label": {"names": "ab"}}}}'):
        path = write(tmp_path / "a.parquet", {"a": [1.0], "label": [0]}, {b"huggingface": junk})
        assert read_parquet(path, Request()).classes is None
