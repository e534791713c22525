"""MNIST from IDX files and CIFAR-10 from Parquet, where they are on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lather.data import available, load


@pytest.fixture
def root(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LATHER_DATA", str(data_root))
    return data_root


def needs(root: Path, name: str) -> None:
    if not (root / name).is_dir():
        pytest.skip(f"no {name} under {root}")


@pytest.mark.mnist
def test_mnist(root: Path) -> None:
    needs(root, "mnist")
    data = load("mnist")
    assert data.shape == (1, 28, 28)
    assert {k: len(v) for k, v in data.splits.items()} == {"train": 54_000, "validation": 6000, "test": 10_000}
    assert data.train.x.dtype == torch.uint8
    whole = torch.cat([data.train.x, data.validation.x])
    assert round(float(whole.double().mean() / 255), 4) == 0.1307  # the mean everyone normalises with
    assert data.test.labels is not None
    assert data.test.labels[:5].tolist() == [7, 2, 1, 0, 4]  # the official test set in its own order
    assert data.classes == tuple("0123456789")
    assert next(r for r in available() if r.name == "mnist").found


def test_cifar_stops_decoding_at_the_limit(root: Path) -> None:
    needs(root, "cifar10")
    pytest.importorskip("pyarrow")
    data = load("cifar10", limit=200)
    assert data.shape == (3, 32, 32)
    assert {k: len(v) for k, v in data.splits.items()} == {"train": 180, "validation": 20, "test": 200}
    assert data.classes is not None
    assert data.classes[6] == "frog"
    assert data.train.labels is not None
    assert len(data.train.labels.unique()) == 10
    assert load("cifar10", limit=200).fingerprint() == data.fingerprint()


@pytest.mark.slow
def test_cifar_whole(root: Path) -> None:
    needs(root, "cifar10")
    pytest.importorskip("pyarrow")
    data = load("cifar10")
    assert len(data.test) == 10_000
    assert data.test.labels is not None
    assert data.test.labels.bincount().tolist() == [1000] * 10
