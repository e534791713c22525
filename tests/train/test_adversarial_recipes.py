"""Recipes with critics on real MNIST: the loss falls, latents move to the prior, samples are pictures."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from lather.data import Dataset, load
from lather.divergences import Energy
from lather.models import Autoencoder
from lather.train import Run, fit
from lather.train.assemble import assemble

logging.getLogger("lightning_fabric").setLevel(logging.ERROR)


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    return load("mnist", limit=4000, progress=False)


def trained(recipe: str, data: Dataset, *, epochs: int = 10, **options: object) -> Run:
    nets = {"nets": "mlp", "net_options": {"hidden": (128, 128)}}
    model = assemble(recipe, data, 8, options=options, **nets)  # type: ignore[arg-type]
    return fit(model, data, epochs=epochs, batch_size=128, progress=False)


def mismatch(model: Autoencoder, data: Dataset) -> float:
    """Energy distance of held-out latents (draws of their posteriors) from the prior."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        z = model.encode(data.test.batch(slice(0, 2000))).draw(generator)
        return float(Energy()(z, model.prior))


def detail(x: Tensor) -> float:
    """Variance of the Laplacian: sharp pictures have more."""
    kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])[None, None]
    return float(conv2d(x, kernel).var())


@pytest.fixture(scope="module")
def plain(mnist: Dataset) -> float:
    return mismatch(trained("ae", mnist).model, mnist)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["wae-gan", "aae"])
def test_latents_move_to_the_prior(recipe: str, mnist: Dataset, plain: float) -> None:
    run = trained(recipe, mnist)
    losses = [row["reconstruction"] for row in run.metrics if row["split"] == "validation"]
    assert losses[-1] < 0.8 * losses[0]
    assert mismatch(run.model, mnist) < 0.2 * plain
    assert 0.4 < run.metrics[-1]["adversarial_accuracy"] < 0.95
    samples = run.model.generate(64, generator=torch.Generator().manual_seed(0))
    assert samples.isfinite().all()
    assert 0.05 < samples.mean().item() < 0.3  # MNIST: 0.13
