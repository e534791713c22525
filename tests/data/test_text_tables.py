"""CSV and TSV."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from lather.data.samples import Request
from lather.data.table import read_table
from lather.errors import DataError


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "p,q,label\n1,2.5,u\n3,-4e1,v\n"),
        ("a.csv", "\ufeffp;q;label\r\n1;2.5;u\r\n\r\n3;-4e1;v\r\n"),
        ("a.tsv", "p\tq\tlabel\n1\t2.5\tu\n3\t-4e1\tv"),
        ("a.csv", ',p,q,label\n0,1,2.5,"u"\n1,3,-4e1,v\n'),
    ],
)
def test_dialects(tmp_path: Path, name: str, text: str) -> None:
    samples = read_table(table(tmp_path / name, text), Request())
    assert samples.columns == ("p", "q")
    np.testing.assert_array_equal(samples.x, [[1, 2.5], [3, -40]])
    assert list(samples.labels) == ["u", "v"]  # type: ignore[arg-type]


def test_no_header_gzip_and_many_blocks(tmp_path: Path) -> None:
    x = np.arange(20_000).reshape(-1, 2)
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress("\n".join(f"{a},{b}" for a, b in x).encode()))
    samples = read_table(path, Request())
    assert samples.columns == ("0", "1")
    assert samples.labels is None
    np.testing.assert_array_equal(samples.x, x)


def test_numeric_labels_stay_numbers(tmp_path: Path) -> None:
    samples = read_table(table(tmp_path / "a.csv", "a,Class\n1,3\n2,\n"), Request())
    np.testing.assert_array_equal(samples.labels, [3, np.nan])
    chosen = read_table(tmp_path / "a.csv", Request(columns=("Class",), label="a"))
    np.testing.assert_array_equal(chosen.labels, [1, 2])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("a,b\n", "a header and no rows"),
        ("a,b\n1,2\n3\n", "line 3: 1 fields where the lines before have 2"),
        ("a,b\n1,2\n3,x\n", r"column 'b' holds something other than numbers.*--columns.*--label"),
        ("a,a\n1,2\n", "need names that differ"),
        ("a,\n1,2\n", "need names that differ"),
        ("label\n1\n", "no feature columns"),
        ("a,b\n1,1_0\n", "column 'b' holds something"),
    ],
)
def test_errors(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DataError, match=says) as info:
        read_table(table(tmp_path / "a.csv", text), Request())
    assert "a.csv" in str(info.value)


def test_text_far_down_names_its_line(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "a,b\n" + "1,2\n" * 8999 + ",2\n" + "1,oops\n")
    with pytest.raises(DataError, match="line 9002, column 'b': 'oops' is no number"):
        read_table(path, Request())


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\n\xff\xfe,2\n")
    with pytest.raises(DataError, match="not text in UTF-8"):
        read_table(path, Request())
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n" * 50, mtime=0)[:-9])
    with pytest.raises(DataError, match="incomplete gzip"):
        read_table(tmp_path / "a.csv.gz", Request())


def test_limit(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "a,label\n" + "".join(f"{i},{i}\n" for i in range(50)))
    samples = read_table(path, Request(limit=9))
    assert len(samples.x) == 9
    np.testing.assert_array_equal(samples.x[:, 0], samples.labels)
