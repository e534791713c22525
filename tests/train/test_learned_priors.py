"""Priors with tensors of their own come back with the run, whatever their size."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from small import digits

from lather.divergences import Energy
from lather.models import Autoencoder, Match, PosteriorKL, Reconstruction
from lather.models.nets import build_nets
from lather.priors import AggregatePosterior, Empirical, FlowPrior, GaussianMixture, Prior, VampPrior
from lather.train import fit, open_run

logging.getLogger("lightning_fabric").setLevel(logging.ERROR)


def empirical() -> Prior:
    return Empirical(torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0)))


def aggregate() -> Prior:
    return AggregatePosterior(
        torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0)), torch.rand(20_000, 4) + 0.5
    )


def vamp() -> Prior:
    return VampPrior.from_data(4, digits().train.batch(slice(0, 1200)), k=1100)


def mixture() -> Prior:
    return GaussianMixture.scattered(4, k=3, learned=True)


def flow() -> Prior:
    pytest.importorskip("zuko")
    return FlowPrior(4, hidden=(8,), transforms=1)


@pytest.mark.parametrize("make", [empirical, aggregate, vamp, mixture, flow])
@pytest.mark.parametrize("ema", [None, 0.9])
def test_a_run_opens_with_the_prior_it_was_trained_with(make: object, ema: float | None, tmp_path: Path) -> None:
    prior = make()  # type: ignore[operator]
    objective = Reconstruction() + (PosteriorKL() if prior.density else Match(Energy()))
    torch.manual_seed(0)
    encoder, decoder = build_nets("mlp", (1, 8, 8), (4,), (8 if prior.density else 4,), hidden=(8,))
    model = Autoencoder(encoder, decoder, prior=prior, objective=objective)
    start = {name: p.detach().clone() for name, p in prior.named_parameters()}
    run = fit(model, digits(), out=tmp_path / "run", epochs=1, batch_size=512, lr=0.01, progress=False, ema=ema)
    assert all(not torch.equal(p, start[name]) for name, p in run.model.prior.named_parameters())
    size = (tmp_path / "run" / "config.json").stat().st_size
    assert size < 100_000
    assert json.loads((tmp_path / "run" / "config.json").read_text())["model"]["prior"]["type"] == type(prior).__name__
    again = open_run(tmp_path / "run").model
    pair = [m.generate(5, generator=torch.Generator().manual_seed(1)) for m in (run.model, again)]
    assert torch.equal(*pair)
    if prior.density:
        z = torch.randn(5, 4)
        assert torch.equal(again.prior.log_prob(z), run.model.prior.log_prob(z))
