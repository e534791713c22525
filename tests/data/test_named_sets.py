"""Named datasets: where they are looked for, and what is said when they are nowhere."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest
from datafiles import encoded, gradient, mnist_like
from PIL import Image

from lather.data import available, load
from lather.data.named import NAMED
from lather.errors import ConfigError, DataError


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No data, an empty cache, no hub."""
    monkeypatch.setenv("LATHER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    return tmp_path


def mnist_sized(folder: Path, side: int = 28) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    arrays = {}
    for split, n in (("train", 30), ("test", 10)):
        arrays |= {f"x_{split}": rng.integers(0, 256, (n, side, side), np.uint8), f"y_{split}": np.arange(n) % 10}
    np.savez(folder / "mnist.npz", **arrays)


def test_digits_are_embedded_and_read_in_their_own_range() -> None:
    data = load("digits")
    assert data.shape == (1, 8, 8)
    assert data.scaling.scale == 16.0
    assert float(data.train.batch().max()) == 1.0
    assert {k: len(v) for k, v in data.splits.items()} == {"train": 1437, "validation": 180, "test": 180}
    assert data.classes == tuple("0123456789")
    with pytest.raises(ConfigError, match="label= means nothing"):
        load("digits", label="y")


def test_absent_says_which_files_to_put_where(bare: Path) -> None:
    with pytest.raises(DataError) as info:
        load("mnist")
    said = str(info.value)
    for part in (
        str(bare / "data" / "mnist"),
        str(bare / "cache" / "lather" / "mnist"),
        "mnist/train-00000-of-00001.parquet",
        "mnist/test-00000-of-00001.parquet",
        "https://huggingface.co/datasets/ylecun/mnist",
        "train-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
        "pip install 'lather[hub,parquet]'",
    ):
        assert part in said
    with pytest.raises(DataError, match=r"plain_text/train-00000-of-00001\.parquet"):
        load("cifar10")


def test_files_put_where_the_message_says_are_found(bare: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for file in NAMED["fashion-mnist"].files:
        path = bare / "data" / "fashion-mnist" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"bytes": encoded(Image.fromarray(gradient(28, 28) + i)), "path": None} for i in range(20)]
        pq.write_table(pa.table({"image": rows, "label": [i % 10 for i in range(20)]}), path)
    data = load("fashion-mnist", validation=5)
    assert {k: len(v) for k, v in data.splits.items()} == {"train": 15, "validation": 5, "test": 20}
    assert data.classes is not None
    assert data.classes[9] == "Ankle boot"


@pytest.mark.parametrize("place", ["data/mnist", "data/MNIST", "cache/lather/mnist"])
def test_places_and_spellings(bare: Path, place: str) -> None:
    mnist_sized(bare / place)
    for name in ("mnist", "MNIST"):
        data = load(name)
        assert data.name == "mnist"
        assert str(bare / place) in data.source
        assert {k: len(v) for k, v in data.splits.items()} == {"train": 27, "validation": 3, "test": 10}
    row = next(r for r in available() if r.name == "mnist")
    assert row.found
    assert row.where == str(bare / place)
    assert not next(r for r in available() if r.name == "kmnist").found


def test_something_else_under_the_name(bare: Path) -> None:
    mnist_sized(bare / "data" / "mnist", side=9)
    with pytest.raises(DataError, match=r"samples of shape \(9, 9\), but mnist has \(1, 28, 28\)"):
        load("mnist")


def fake_hub(monkeypatch: pytest.MonkeyPatch, download: object) -> None:
    module = types.ModuleType("huggingface_hub")
    module.hf_hub_download = download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)


def test_failing_fetch_keeps_the_reason(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*args: object, **kwargs: object) -> str:
        raise ConnectionError("no route to host")

    fake_hub(monkeypatch, download)
    with pytest.raises(DataError, match=r"Put mnist/train.*fetching it failed \(ConnectionError: no route to host\)"):
        load("mnist")


def test_fetch_goes_on_after_being_cut_off(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    asked: list[str] = []

    def download(repository: str, file: str, *, repo_type: str, local_dir: str) -> str:
        assert (repository, repo_type) == ("ylecun/mnist", "dataset")
        asked.append(file)
        if len(asked) == 2:
            raise ConnectionError("lost")
        path = Path(local_dir) / file
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [encoded(Image.fromarray(gradient(28, 28) + i)) for i in range(10)]
        pq.write_table(pa.table({"image": rows, "label": list(range(10))}), path)
        return str(path)

    fake_hub(monkeypatch, download)
    with pytest.raises(DataError, match="lost"):
        load("mnist")
    assert not next(r for r in available() if r.name == "mnist").found
    assert len(load("mnist").test) == 10
    assert len(asked) == 4
    load("mnist")
    assert len(asked) == 4


def test_a_folder_wins_only_when_it_is_written_as_one(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mnist_like(bare / "digits")
    monkeypatch.chdir(bare)
    assert load("digits").shape == (1, 8, 8)
    assert load("./digits").shape == (1, 4, 4)
