"""Arrays in, checked splits out: layout, value range, labels, splits, and every refusal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lather.data import Dataset, load
from lather.data.splits import count, divide
from lather.errors import ConfigError, DataError, ShapeError

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (40, 6, 5), dtype=np.uint8)
TABLE = RNG.normal(size=(50, 3)) * [1, 10, 0.1] + [0, 1e6, -3]


def everything(data: Dataset) -> torch.Tensor:
    return torch.cat([split.batch() for split in data.splits.values()])


@pytest.mark.parametrize(
    ("x", "shape"),
    [
        (BYTES, (1, 6, 5)),
        (np.stack([BYTES] * 3, 1), (3, 6, 5)),
        (np.stack([BYTES] * 3, -1), (3, 6, 5)),
        (BYTES[:, None], (1, 6, 5)),
        (BYTES[..., None], (1, 6, 5)),
        (torch.from_numpy(BYTES), (1, 6, 5)),
    ],
)
def test_channel_axis_is_found(x: object, shape: tuple[int, ...]) -> None:
    data = load(x)  # type: ignore[arg-type]
    assert data.shape == shape
    assert data.kind == "image"
    assert data.train.x.dtype == torch.uint8
    np.testing.assert_array_equal(
        np.sort(data.train.x[:, 0].sum((1, 2))),
        np.sort(BYTES.sum((1, 2))[divide(40, {"test": 4, "validation": 4}, 0, "")["train"]]),
    )


def test_small_images_have_one_or_three_channels() -> None:
    assert load(RNG.random((20, 1, 4, 4))).shape == (1, 4, 4)
    assert load(RNG.random((20, 2, 2, 3))).shape == (3, 2, 2)


def test_ambiguous_channels_must_be_said() -> None:
    x = RNG.integers(0, 256, (20, 3, 9, 3), dtype=np.uint8)
    with pytest.raises(ShapeError, match=r"channel_order='first'.*'last'.*--channel-order"):
        load(x)
    assert load(x, channel_order="first").shape == (3, 9, 3)
    assert load(x, channel_order="last").shape == (3, 3, 9)
    with pytest.raises(ShapeError, match="not clear"):
        load(RNG.integers(0, 256, (20, 9, 9, 9)))


@pytest.mark.parametrize(
    ("x", "stored", "scale"),
    [
        (BYTES, torch.uint8, 255.0),
        (BYTES.astype(np.int64), torch.uint8, 255.0),
        (BYTES.astype(np.float32), torch.uint8, 255.0),  # 0-255 as floats: the trap of other libraries
        (BYTES / 255, torch.float32, 1.0),
        (BYTES // 128, torch.uint8, 1.0),
        (BYTES > 128, torch.uint8, 1.0),
        ((BYTES / 255).astype(np.float16), torch.float32, 1.0),
    ],
)
def test_value_ranges_understood_without_being_told(x: np.ndarray, stored: torch.dtype, scale: float) -> None:
    data = load(x)
    assert data.train.x.dtype == stored
    assert data.scaling.scale == scale
    values = everything(data)
    assert values.dtype == torch.float32
    assert float(values.min()) == 0
    assert float(values.max()) == 1
    expected = np.sort(np.asarray(x, dtype=np.float64).ravel()) / scale
    np.testing.assert_allclose(np.sort(values.numpy().ravel()), expected, atol=1e-7)


@pytest.mark.parametrize(
    ("x", "remedy"),
    [
        (BYTES / 127.5 - 1, r"value_range=\(-1, 1\) \(--value-range\)"),
        (BYTES * 0.7, r"value_range=\(0, 255\)"),
        (BYTES.astype(np.uint16) * 257, r"value_range=\(0, 65535\)"),
        (BYTES.astype(np.int64) - 300, r"value_range=\(-300, -45\)"),
        (BYTES * 1e4, r"value_range=\(0, 2.55e\+06\)"),
    ],
)
def test_other_ranges_teach(x: np.ndarray, remedy: str) -> None:
    with pytest.raises(DataError, match=remedy):
        load(x)


def test_value_range_is_applied_and_checked() -> None:
    np.testing.assert_allclose(float(everything(load(BYTES / 127.5 - 1, value_range=(-1, 1))).min()), 0, atol=1e-6)
    assert float(everything(load(BYTES.astype(np.uint16) * 257, value_range=(0, 65535))).max()) == 1
    assert load(BYTES // 16, value_range=(0, 15)).train.x.dtype == torch.uint8
    with pytest.raises(DataError, match=r"outside value_range=\(0, 1\).*at least \(0, 255\)"):
        load(BYTES, value_range=(0, 1))
    with pytest.raises(ConfigError, match="low < high"):
        load(BYTES, value_range=(1, 0))


def test_features_are_standardised_by_the_training_split() -> None:
    data = load(TABLE)
    assert data.kind == "features"
    assert data.value_range is None
    z = data.train.batch()
    assert torch.allclose(z.mean(0), torch.zeros(3), atol=1e-5)
    assert torch.allclose(z.std(0, correction=0), torch.ones(3), atol=1e-5)
    back = data.scaling.undo(data.test.batch())
    np.testing.assert_allclose(back, data.test.x, rtol=1e-6)
    raw = load(TABLE, standardize=False)
    assert torch.equal(raw.train.batch(), raw.train.x.float())


def test_a_large_mean_does_not_eat_the_digits() -> None:
    stamps = 1.7e9 + np.arange(1000.0)[:, None]
    z = load(np.hstack([stamps, stamps])).train.batch()
    assert len(z[:, 0].unique()) == 800


def test_constant_columns_are_centred_and_noted() -> None:
    x = TABLE.copy()
    x[:, 1] = 7.1
    data = load(x)
    assert bool((data.train.batch()[:, 1] == 0).all())
    assert "1 of 3 columns are constant" in data.notes[0]


def test_flattened_images_and_shape() -> None:
    data = load(BYTES.reshape(40, 30), shape=(1, 6, 5))
    assert data.kind == "image"
    assert data.fingerprint() == load(BYTES).fingerprint()
    with pytest.raises(ShapeError, match="30 values each, which cannot be read as"):
        load(BYTES.reshape(40, 30), shape=(1, 6, 6))
    with pytest.raises(ConfigError, match=r"image_size, binarize: only for images.*shape=\(C, H, W\)"):
        load(BYTES.reshape(40, 30), image_size=8, binarize=True)


def test_image_size_channels_and_binarize() -> None:
    x = np.zeros((12, 8, 24), np.uint8)
    x[:, :, 8:16] = np.arange(100, 220, 10)[:, None, None]
    data = load(x, image_size=4, channels=3)
    assert data.shape == (3, 4, 4)
    for image in data.train.x:
        assert len(image.unique()) == 1  # the middle third only
    assert torch.equal(load(x / 255, image_size=4).train.x[:, 0, 0, 0] > 0.3, torch.ones(10, dtype=torch.bool))
    grey = load(np.stack([x, 0 * x, 0 * x], 1), channels=1)
    assert int(grey.train.x.max()) in range(62, 66)  # 0.299 R
    binary = load(x, binarize=True)
    assert binary.train.x.unique().tolist() == [0, 1]
    assert binary.train.batch().unique().tolist() == [0.0, 1.0]
    with pytest.raises(ShapeError, match="2 channels cannot become 3"):
        load(RNG.integers(0, 256, (20, 2, 9, 9)), channels=3)


def test_labels_follow_their_samples() -> None:
    x = np.repeat(np.arange(40, dtype=np.uint8), 4).reshape(40, 2, 2)
    for labels in (np.arange(40), torch.arange(40), np.arange(40.0)[:, None], np.arange(40, dtype=np.uint8)):
        data = load((x, labels))
        for split in data.splits.values():
            assert split.labels is not None
            assert torch.equal(split.x[:, 0, 0, 0].long(), split.labels)
    text = load((x, np.array([f"c{i}" for i in range(40)])))
    assert text.classes is not None
    assert text.classes[:3] == ("c0", "c1", "c2")
    assert text.train.labels is not None
    assert torch.equal(text.train.x[:, 0, 0, 0].long(), text.train.labels)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (np.arange(39), r"40 samples, but labels of shape \(39,\)"),
        (np.linspace(0, 1, 40), "labels are fractions"),
        (np.full(40, 1j), "labels of type complex128"),
        (np.full(40, 1e300), r"label of 1e\+300"),
        (np.full(40, 2**63, dtype=np.uint64), "class numbers"),
    ],
)
def test_wrong_labels(labels: np.ndarray, says: str) -> None:
    with pytest.raises(DataError, match=says):
        load((BYTES, labels))


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (np.zeros((0, 3)), "holds no samples"),
        (np.zeros((5, 0)), "holds no samples"),
        (np.array(3.0), "holds no samples"),
        (np.arange(5.0), r"features are \(n, F\), images"),
        (np.zeros((2, 3, 4, 5, 6)), r"features are \(n, F\), images"),
        (np.zeros((40, 6, 5)), r"all 32 training samples are the same \(every value is 0\)"),
        (np.repeat(BYTES[:1], 40, 0), "every one equals the first"),
        (np.full((40, 3), 2.5), r"every value is 2\.5"),
        (BYTES[:1], "has 1 sample;"),
        (BYTES[:3], "3 samples; after 1 for test and 1 for validation, 1 would be left"),
        (np.array([["a"]] * 9), "values of type <U1"),
        (np.ma.masked_equal(np.arange(40).reshape(20, 2), 7), "masked"),
        (torch.eye(20).to_sparse(), "to_dense"),
        (TABLE + 1j, "values of type complex128"),
    ],
)
def test_refusals(x: np.ndarray, says: str) -> None:
    with pytest.raises(DataError, match=says):
        load(x)


def test_nan_and_inf_are_counted_and_placed() -> None:
    x = np.full((9000, 3), 1.0) * RNG.normal(size=(9000, 1))
    x[5000, 2], x[5000, 1], x[8999, 0] = np.nan, np.inf, -np.inf
    with pytest.raises(
        DataError,
        match=r"3 of 27000 values .* in 2 of 9000 samples; .* inf in sample 5000, position \(1,\)",
    ):
        load(x)


def test_huge_finite_values_are_not_called_infinite() -> None:
    x = RNG.normal(size=(30, 2)) * 1e300
    assert load(x).train.batch().isfinite().all()


def test_splits_are_disjoint_complete_and_reproducible() -> None:
    x = np.arange(100.0).reshape(50, 2)
    state = torch.get_rng_state()
    a, b, c = load(x, seed=3), load(x, seed=3), load(x, seed=4)
    assert torch.equal(state, torch.get_rng_state())
    assert a.fingerprint() == b.fingerprint() != c.fingerprint()
    assert torch.equal(torch.cat([s.x[:, 0] for s in a.splits.values()]).sort().values, torch.from_numpy(x[:, 0]))
    # pinned, so that a change of torch or of this code that would move samples between splits is seen
    assert sorted(load(np.arange(20.0).reshape(10, 2)).test.x[:, 0].tolist()) == PINNED


PINNED = [8.0]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 300), st.integers(0, 50), st.integers(0, 50), st.integers(0, 2**31))
def test_divide(n: int, test: int, validation: int, seed: int) -> None:
    if n - test - validation < 2:
        with pytest.raises(DataError, match="needs at least 2"):
            divide(n, {"test": test, "validation": validation}, seed, "x")
        return
    parts = divide(n, {"test": test, "validation": validation}, seed, "x")
    assert [len(parts[k]) for k in ("test", "validation")] == [test, validation]
    assert torch.cat(list(parts.values())).sort().values.tolist() == list(range(n))


def test_sizes_of_splits() -> None:
    assert count(None, 500_000, "test") == 10_000
    assert count(1, 10, "test") == 1
    assert {k: len(v) for k, v in load(BYTES, validation=0.25, test=4).splits.items()} == {
        "train": 26,
        "validation": 10,
        "test": 4,
    }
    for wrong in (0, -1, 1.5, float("nan"), True):
        with pytest.raises(ConfigError, match="neither a share between 0 and 1 nor a whole number"):
            load(BYTES, validation=wrong)
    with pytest.raises(DataError, match="hold out fewer"):
        load(BYTES, validation=39)
    assert len(load(BYTES, validation="7").validation) == 7
    with pytest.raises(DataError, match="does not exist"):
        load(BYTES, validation="seven")


def test_limit_and_settings() -> None:
    assert sum(len(s) for s in load(BYTES, limit=12).splits.values()) == 12
    with pytest.raises(ConfigError, match="limit=0"):
        load(BYTES, limit=0)
    with pytest.raises(ConfigError, match="image_size=0"):
        load(BYTES, image_size=0)
    with pytest.raises(ConfigError, match="standardize=True is for features"):
        load(BYTES, standardize=True)
    with pytest.raises(ConfigError, match="key= means nothing for an array"):
        load(BYTES, key="x")
    data = load(BYTES)
    assert load(data, seed=9) is data
    with pytest.raises(ConfigError, match="taken as it is"):
        load(data, limit=3)


def test_one_split_can_be_thinned() -> None:
    x = np.arange(100 * 4, dtype=np.float32).reshape(100, 4)
    whole = load(x, standardize=False)
    small, smaller = (load(x, train_limit=n, standardize=False) for n in (20, 7))
    assert [len(s) for s in small.splits.values()] == [20, 10, 10]
    assert torch.equal(small.test.x, whole.test.x)
    rows = [{tuple(row.tolist()) for row in data.train.x} for data in (smaller, small, whole)]
    assert rows[0] < rows[1] < rows[2]
    assert "20 of 80 training samples" in small.source
    assert len(load(x, test_limit=3).test) == 3
    assert load(x, train_limit=500).fingerprint() == load(x).fingerprint()
    with pytest.raises(ConfigError, match="train_limit=1"):
        load(x, train_limit=1)
    with pytest.raises(ConfigError, match="test_limit=0"):
        load(x, test_limit=0)


def test_paths_as_splits(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", BYTES)
    np.save(tmp_path / "b.npy", BYTES[:7])
    data = load(tmp_path / "a.npy", test=tmp_path / "b.npy")
    assert {k: len(v) for k, v in data.splits.items()} == {"train": 36, "validation": 4, "test": 7}
    np.save(tmp_path / "b.npy", BYTES[:7, :3])
    with pytest.raises(ShapeError, match=r"\(1, 6, 5\), .*b.npy of shape \(1, 3, 5\).*--image-size"):
        load(tmp_path / "a.npy", test=tmp_path / "b.npy")
    (tmp_path / "train.csv").write_text("a,b\n" + "1,2\n3,4\n" * 5)
    (tmp_path / "test.csv").write_text("b,a\n1,2\n")
    with pytest.raises(DataError, match="different columns, or in another order"):
        load(tmp_path / "train.csv")
    assert len(load(tmp_path / "train.csv", columns=["a", "b"]).test) == 1
    with pytest.raises(ConfigError, match="brings its own test set"):
        load(tmp_path / "train.csv", columns=["a", "b"], test=3)
    with pytest.raises(DataError, match=r"not an existing file or folder or a known name \(digits, mnist"):
        load("minst")
    for nowhere in ("", "a" * 5000, "a\0b", "~nobody/x"):
        with pytest.raises(DataError, match="not an existing file or folder"):
            load(nowhere)


def test_train_and_test_images_are_read_in_one_range(tmp_path: Path) -> None:
    dark = BYTES // 255  # by itself, 0 and 1 would be binary
    np.savez(tmp_path / "a.npz", x_train=BYTES, x_test=dark)
    assert float(load(tmp_path / "a.npz").test.batch().max()) < 0.01


def test_classes_are_numbered_alike_in_all_splits(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a,label\n" + "1,cat\n2,eel\n" * 5)
    (tmp_path / "test.csv").write_text("a,label\n1,dog\n2,eel\n3,\n")
    data = load(tmp_path)
    assert data.classes == ("cat", "dog", "eel")
    assert data.test.labels is not None
    assert data.test.labels.tolist() == [1, 2, -1]
