"""Dataset, Split and Scaling by themselves."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from lather.data import Dataset, Scaling, Split, load
from lather.errors import DataError


def small() -> Dataset:
    x = np.random.default_rng(1).integers(0, 256, (30, 4, 4), dtype=np.uint8)
    return load((x, np.arange(30) % 3))


def test_batch_indexes_like_the_tensor() -> None:
    split = small().train
    index = torch.tensor([3, 0, 3])
    expected = split.x[index].float() / 255
    assert torch.equal(split.batch(index), expected)
    assert torch.equal(split.batch(index.numpy()), expected)
    assert torch.equal(split.batch(slice(2, 5)), split.x[2:5].float() / 255)
    assert torch.equal(split.batch(device="cpu"), split.x.float() / 255)
    assert len(split.batch(torch.tensor([], dtype=torch.int64))) == 0


def test_to_moves_everything() -> None:
    data = small().to("meta")
    assert all(s.x.is_meta and s.labels is not None and s.labels.is_meta for s in data.splits.values())
    table = load(np.random.default_rng(0).normal(size=(20, 3))).to("meta")
    assert isinstance(table.scaling.offset, torch.Tensor)
    assert table.scaling.offset.is_meta


def test_describe_is_json_and_the_fingerprint_sees_every_change() -> None:
    data = small()
    facts = json.loads(json.dumps(data.describe()))
    assert facts["counts"] == {"train": 24, "validation": 3, "test": 3}
    assert facts["fingerprint"] == small().fingerprint()
    assert facts["value_range"] == [0.0, 1.0]
    seen = {facts["fingerprint"]}
    x = data.test.x.clone()
    x[2, 0, 3, 3] ^= 1
    assert data.test.labels is not None
    changed = [
        replace(data, test=replace(data.test, x=x)),
        replace(data, test=replace(data.test, labels=data.test.labels + 1)),
        replace(data, test=replace(data.test, labels=None)),
        replace(data, train=replace(data.train, scaling=Scaling(0.0, 1.0))),
        replace(data, test=data.validation, validation=data.test),
    ]
    for other in changed:
        assert other.fingerprint() not in seen
        seen.add(other.fingerprint())


def test_fingerprint_of_a_large_tensor_reads_blocks_to_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lather.data.dataset._HASHED_WHOLE", 4096)
    monkeypatch.setattr("lather.data.dataset._BLOCK", 256)
    data = small()
    x = torch.zeros(10_000, 1, dtype=torch.uint8)
    base = replace(data, train=Split(x)).fingerprint()
    for at in (0, -1):
        y = x.clone()
        y[at] = 1
        assert replace(data, train=Split(y)).fingerprint() != base


def test_scaling_roundtrips_through_json() -> None:
    for scaling in (Scaling(0.0, 255.0), Scaling(torch.tensor([1.0, 2.0]).double(), torch.tensor([3.0, 4.0]).double())):
        again = Scaling.from_dict(json.loads(json.dumps(scaling.to_dict())))
        x = torch.tensor([[5.0, 6.0]])
        assert torch.equal(again(x), scaling(x))
        torch.testing.assert_close(again.undo(again(x)), x)


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"offset": 0},
        {"offset": "a", "scale": 1},
        {"offset": 0, "scale": 0},
        {"offset": float("nan"), "scale": 1},
        {"offset": [[0]], "scale": 1},
    ],
)
def test_scaling_from_nonsense(bad: dict[str, object]) -> None:
    with pytest.raises(DataError, match="a scaling needs"):
        Scaling.from_dict(bad)


def test_repr_is_short() -> None:
    assert repr(small()) == "Dataset('array': image (1, 4, 4), train 24, validation 3, test 3)"
