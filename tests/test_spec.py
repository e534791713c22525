"""Parts remember how they were built, print as that call, and come back from JSON without running anything."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from lather.errors import ConfigError
from lather.priors import GaussianMixture, Prior, StandardNormal, UniformCube
from lather.spec import Spec, build, known, to_json


class Pair(Spec, nn.Module):
    def __init__(self, *parts: object, weight: float = 1.0, label: str = "a") -> None:
        super().__init__()
        self.parts, self.weight, self.label = parts, weight, label


def test_printed_as_the_call_that_made_it() -> None:
    assert repr(StandardNormal(3)) == "StandardNormal(3)"
    assert repr(UniformCube(2, high=2.0)) == "UniformCube(2, high=2.0)"
    assert repr(Pair(StandardNormal(2), 5, label="b")) == "Pair(StandardNormal(2), 5, label='b')"


def test_json_round_trip_through_text() -> None:
    prior = GaussianMixture(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), stds=torch.full((2, 2), 0.5))
    again = build(json.loads(json.dumps(prior.spec())), GaussianMixture)
    assert torch.equal(again.means, prior.means)
    assert torch.equal(again.scales, prior.scales)
    assert json.loads(json.dumps(to_json(float("inf")))) == {"float": "inf"}


def test_defaults_are_written_too() -> None:
    assert set(UniformCube(2).spec()["arguments"]) == {"d", "low", "high"}


def test_what_cannot_be_written_says_so() -> None:
    with pytest.raises(ConfigError, match="Linear cannot be written"):
        to_json(nn.Linear(1, 1))
    with pytest.raises(ConfigError, match="too large"):
        to_json(torch.zeros(70_000))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"type": "os.system", "arguments": {}}, "not a part"),
        ({"type": ["a"], "arguments": {}}, "not a part"),
        ({"type": "StandardNormal", "arguments": {"dimension": 3}}, "StandardNormal"),
        ({"type": "StandardNormal", "arguments": {"d": 3}}, "expected a GaussianMixture"),
        ({"tensor": [1.0], "dtype": "load"}, "unknown tensor dtype"),
        (7, "expected a GaussianMixture"),
    ],
)
def test_bad_configurations_are_refused(data: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build(data, GaussianMixture)


def test_only_lathers_own_classes_are_known() -> None:
    assert "StandardNormal" in known(Prior)
    assert "Pair" not in known(Spec)
