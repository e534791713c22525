"""Runs with a held divergence: what they may be told, and what they go on with."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import lather as lt
from lather.errors import ConfigError
from lather.holding import held_rows


def model() -> lt.Autoencoder:
    torch.manual_seed(0)
    objective = lt.Reconstruction() + lt.Match(lt.Energy()).to_noise_floor(z=2.0)
    return lt.Autoencoder(torch.nn.Linear(6, 2), torch.nn.Linear(2, 6), prior=lt.StandardNormal(2), objective=objective)


X = torch.randn(200, 6, generator=torch.Generator().manual_seed(0)).numpy()


def test_a_short_run_may_grow(tmp_path: Path) -> None:
    """The average suits the length of a training, and a run that is made longer keeps the one it has."""
    first = lt.fit(model(), X, out=tmp_path / "run", epochs=20, batch_size=32, progress=False)
    again = lt.fit(model(), X, out=tmp_path / "run", epochs=40, batch_size=32, progress=False, resume=True)
    assert again.config["training"]["epochs"] == 40
    assert again.config["training"]["ema"] == first.config["training"]["ema"] < 0.99


def test_the_interval_of_z_is_that_of_the_batches() -> None:
    """Far from the prior a batch's z scatters by much more than 1."""
    run = lt.fit(model(), X, epochs=1, batch_size=20, progress=False)
    z = torch.randn(200, 2, generator=torch.Generator().manual_seed(1)) + 1
    (row,) = held_rows(run, z)
    null = lt.Energy().null(run.model.prior, 20)
    scores = torch.tensor([null.zscore(lt.Energy()(part, run.model.prior)) for part in z.split(20)])
    assert float(scores.std()) > 2
    assert row.low is not None
    assert row.high is not None
    assert (row.high - row.low) / 2 == pytest.approx(1.96 * float(scores.std()) / math.sqrt(10), rel=1e-3)


def test_losses_under_changing_weights_stop_nothing() -> None:
    with pytest.raises(ConfigError, match="patience=3"):
        lt.fit(model(), X, epochs=5, patience=3, progress=False)
