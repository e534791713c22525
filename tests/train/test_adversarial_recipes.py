"""Recipes with critics on real MNIST: the loss falls, latents move to the prior, samples are pictures."""

from __future__ import annotations

import logging

import pytest
import torch

from lather.data import Dataset, load
from lather.divergences import Energy
from lather.models import Autoencoder
from lather.train import Run, fit
from lather.train.assemble import assemble

logging.getLogger("lightning_fabric").setLevel(logging.ERROR)


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    return load("mnist", limit=4000, progress=False)


def trained(recipe: str, data: Dataset, *, epochs: int = 10, batch_size: int = 128) -> Run:
    nets = {"nets": "mlp", "net_options": {"hidden": (128, 128)}}
    model = assemble(recipe, data, 8, **nets)  # type: ignore[arg-type]
    return fit(model, data, epochs=epochs, batch_size=batch_size, progress=False)


def mismatch(model: Autoencoder, data: Dataset) -> float:
    """Energy distance of held-out latents (draws of their posteriors) from the prior."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        z = model.encode(data.test.batch(slice(0, 2000))).draw(generator)
        return float(Energy()(z, model.prior))


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


@pytest.mark.exhaustive
def test_a_vae_gan_learns_in_features_and_uses_its_latent(mnist: Dataset, plain: float) -> None:
    run = trained("vae-gan", mnist, epochs=2, batch_size=32)
    validation = [row for row in run.metrics if row["split"] == "validation"]
    assert validation[-1]["reconstruction_2"] < validation[0]["reconstruction_2"]  # of pixels: features change
    assert validation[-1]["kl"] > 3
    assert mismatch(run.model, mnist) < 0.5 * plain
    assert run.model.generate(64, generator=torch.Generator().manual_seed(0)).isfinite().all()
