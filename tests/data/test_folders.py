"""Which files of a folder belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from datafiles import mnist_like, write_picture

from lather.data.folder import read_path, split_of
from lather.data.samples import Request
from lather.errors import ConfigError, DataError


def lengths(path: Path, **settings: object) -> dict[str, int]:
    return {k: len(s.x) for k, s in read_path(path, Request(**settings)).items()}  # type: ignore[arg-type]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_pairs_with_labels(tmp_path: Path, ending: str) -> None:
    mnist_like(tmp_path, ending)
    sets = read_path(tmp_path, Request())
    assert {k: len(s.x) for k, s in sets.items()} == {"train": 20, "test": 8}
    np.testing.assert_array_equal(sets["test"].labels, np.arange(8))
    one = read_path(tmp_path / f"train-images-idx3-ubyte{ending}", Request())
    assert set(one) == {"train", "test"}
    assert lengths(tmp_path / f"t10k-images-idx3-ubyte{ending}") == {"all": 8}


def test_packed_and_unpacked_twins_count_once(tmp_path: Path) -> None:
    mnist_like(tmp_path)
    mnist_like(tmp_path, ".gz")
    assert lengths(tmp_path) == {"train": 20, "test": 8}


def test_one_level_down(tmp_path: Path) -> None:
    mnist_like(tmp_path / "raw")
    assert lengths(tmp_path) == {"train": 20, "test": 8}
    mnist_like(tmp_path / "other")
    with pytest.raises(DataError, match=r"holds data in other, raw; give one"):
        read_path(tmp_path, Request())


def test_npy_pairs_and_labels_beside(tmp_path: Path) -> None:
    for split, n in (("train", 9), ("test", 4)):
        np.save(tmp_path / f"x_{split}.npy", np.zeros((n, 2)))
        np.save(tmp_path / f"y_{split}.npy", np.arange(n))
    sets = read_path(tmp_path, Request())
    np.testing.assert_array_equal(sets["test"].labels, np.arange(4))
    np.testing.assert_array_equal(read_path(tmp_path / "x_test.npy", Request())["all"].labels, np.arange(4))


def test_shards_are_joined_in_order_and_limit_holds_for_all(tmp_path: Path) -> None:
    for i in (10, 2, 1):
        np.save(tmp_path / f"part-{i}.npy", np.full((3, 2), i))
        np.save(tmp_path / f"part-{i}_labels.npy", np.full(3, i))
    samples = read_path(tmp_path, Request())["all"]
    np.testing.assert_array_equal(samples.x[:, 0], np.repeat([1, 2, 10], 3))
    np.testing.assert_array_equal(samples.labels, np.repeat([1, 2, 10], 3))
    assert lengths(tmp_path, limit=4) == {"all": 4}
    np.save(tmp_path / "part-11.npy", np.zeros((3, 5)))
    with pytest.raises(DataError, match="must agree"):
        read_path(tmp_path, Request())


def test_csv_pair(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a\n1\n2\n")
    (tmp_path / "test.csv").write_text("a\n3\n")
    (tmp_path / "unrelated.csv").write_text("a\n3\n")
    assert lengths(tmp_path / "train.csv") == {"train": 2, "test": 1}
    with pytest.raises(DataError, match=r"several datasets: .*unrelated.csv"):
        read_path(tmp_path, Request())


def test_picture_folders(tmp_path: Path) -> None:
    for split, n in (("train", 4), ("valid", 2), ("test", 3)):
        for i in range(n):
            write_picture(tmp_path / "split" / split / f"c{i % 2}" / f"{i}.png")
    sets = read_path(tmp_path / "split", Request())
    assert {k: len(s.x) for k, s in sets.items()} == {"train": 4, "validation": 2, "test": 3}
    assert list(sets["train"].labels) == ["c0", "c0", "c1", "c1"]  # type: ignore[arg-type]
    for i in range(12):
        write_picture(tmp_path / "flat" / f"{i}.png", i)
    (tmp_path / "flat" / "list.csv").write_text("a\n1\n")
    flat = read_path(tmp_path / "flat", Request())["all"]
    assert flat.labels is None
    np.testing.assert_array_equal(flat.x[:, 0, 0, 0], np.arange(12))
    write_picture(tmp_path / "one" / "only" / "a.png")
    assert read_path(tmp_path / "one", Request())["all"].labels is None


def test_limit_of_a_folder_decodes_no_more(tmp_path: Path) -> None:
    for i in range(9):
        write_picture(tmp_path / f"{i}.png", i)
    kept = Request(limit=3, seed=1).rows(9)
    assert kept is not None
    for i in set(range(9)) - set(kept.tolist()):
        (tmp_path / f"{i}.png").write_bytes(b"damaged, and never looked at")
    assert lengths(tmp_path, limit=3, seed=1) == {"all": 3}


def test_errors_say_what_would_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds nothing that can be read.*\.png.*\.npy.*\.parquet"):
        read_path(tmp_path, Request())
    with pytest.raises(DataError, match="does not exist"):
        read_path(tmp_path / "nope", Request())
    (tmp_path / "a.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(DataError, match="unknown ending"):
        read_path(tmp_path / "a.pkl", Request())
    write_picture(tmp_path / "a.png")
    with pytest.raises(DataError, match="one picture; give the folder"):
        read_path(tmp_path / "a.png", Request())
    mnist_like(tmp_path / "m")
    with pytest.raises(DataError, match="as label files do; give the file with the images"):
        read_path(tmp_path / "m" / "train-labels-idx1-ubyte", Request())
    with pytest.raises(ConfigError, match=r"key= means nothing for .* \(IDX\), only for h5ad, npz"):
        read_path(tmp_path / "m", Request(key="x"))
    write_picture(tmp_path / "p" / "train" / "a.png")
    write_picture(tmp_path / "p" / "training" / "a.png")
    with pytest.raises(DataError, match="two of which mean the same split"):
        read_path(tmp_path / "p", Request())


def test_split_words() -> None:
    assert split_of("train-00000-of-00001.parquet") == "train"
    assert split_of("my_val.csv") == "validation"
    assert split_of("kmnist-test-imgs.npz") == "test"
    assert split_of("train_test.csv") is None
    assert split_of("trainer.csv") is None
