"""Variational recipes on MNIST: a few hundred steps each, and what their papers claim, in kind."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

import pytest
import torch

from lather.data import Dataset, load
from lather.divergences import SphereUniformity
from lather.errors import CapabilityError, ConfigError
from lather.models import Autoencoder, PosteriorKL, iwae_bound
from lather.train import Run, fit
from lather.train.assemble import assemble

logging.getLogger("lightning_fabric").setLevel(logging.ERROR)


@pytest.fixture(autouse=True)
def here(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATHER_DATA", str(data_root))


@cache
def mnist() -> Dataset:
    return load("mnist", limit=4096, binarize=True, progress=False)


@cache
def trained(recipe: str) -> Run:
    model = assemble(recipe, mnist(), 8, nets="mlp", net_options={"hidden": (128,)})
    return fit(model, mnist(), epochs=12, batch_size=128, lr=2e-3, progress=False)


def held_out() -> torch.Tensor:
    return mnist().test.batch(slice(0, 1000))


@cache
def bound(recipe: str, k: int) -> float:
    """Mean of L_k over held-out data; the ELBO from several draws."""
    generator = torch.Generator().manual_seed(0)
    model = trained(recipe).model
    repeats = 8 if k == 1 else 1
    means = [iwae_bound(model, held_out(), k, generator=generator).mean() for _ in range(repeats)]
    return float(torch.stack(means).mean())


@torch.no_grad()
def split(model: Autoencoder) -> dict[str, float]:
    """The parts of the KL over the held-out data as the population, by all pairs."""
    x = held_out()
    term = PosteriorKL.split(population=len(x))
    term(model.step(x, generator=torch.Generator().manual_seed(1)))
    return {name: float(value) for name, value in term.readings().items()}


def works(recipe: str) -> Run:
    """The trained run; its loss has fallen, and what it generates is finite and varied."""
    run = trained(recipe)
    losses = [row["loss"] for row in run.metrics if row["split"] == "validation"]
    assert losses[-1] < 0.8 * losses[0]
    samples = run.model.generate(32, generator=torch.Generator().manual_seed(0))
    assert samples.shape == (32, 1, 28, 28)
    assert bool(torch.isfinite(samples).all())
    assert float(samples.std(0).mean()) > 0.05  # not one and the same picture
    return run


@pytest.mark.slow
def test_iwae_learns_a_model_whose_tighter_bound_is_better() -> None:
    run = works("iwae")
    assert bound("iwae", 64) > bound("iwae", 1) + 2
    assert bound("iwae", 64) > bound("vae", 64)
    assert bound("iwae", 64) - bound("iwae", 1) > bound("vae", 64) - bound("vae", 1)  # broader weights than a VAE's
    last = [row for row in run.metrics if row["split"] == "validation"][-1]
    assert last["iwae"] < -last["iwae_elbo"]
    assert 1 < last["iwae_draws"] < 5


@pytest.mark.slow
def test_flow_posteriors_bring_the_bound_closer() -> None:
    run = works("iaf-vae")
    assert bound("iaf-vae", 1) > bound("vae", 1) - 0.5
    gaps = {recipe: bound(recipe, 64) - bound(recipe, 1) for recipe in ("iaf-vae", "vae")}
    assert 0 < gaps["iaf-vae"] < gaps["vae"] + 0.3
    last = [row for row in run.metrics if row["split"] == "validation"][-1]
    assert 5 < last["kl"] < 50
    assert float((run.model.posterior.steps[0].net.last.weight != 0).float().mean()) > 0.4


@pytest.mark.slow
def test_tcvae_has_less_total_correlation() -> None:
    ours, plain = split(works("tcvae").model), split(trained("vae").model)
    assert ours["tc"] < 0.5 * plain["tc"]
    assert ours["mi"] > 4  # and still says much about the datum: log 1000 = 6.9


@pytest.mark.slow
def test_svae_spreads_latents_over_the_sphere() -> None:
    model = works("svae").model
    x = held_out()
    with torch.no_grad():
        z = model.step(x, generator=torch.Generator().manual_seed(1)).z
        torch.testing.assert_close(z.norm(dim=1), torch.ones(len(z)))
        resultant = float(z.mean(0).norm())
        spread = torch.linalg.eigvalsh(8 * z.T @ z / len(z))  # all 1 for the uniform law
        uniform = float(SphereUniformity()(z, model.prior))
    assert resultant < 0.7
    assert 0.25 < float(spread.min()) <= float(spread.max()) < 4
    assert uniform < 0.15
    assert bound("svae", 1) > -180


@pytest.mark.parametrize(
    ("recipe", "prior", "words"),
    [
        ("svae", "normal", r"UniformSphere\(8\)"),
        ("tcvae", "mixture", "StandardNormal"),
        ("iwae", "cube", "StandardNormal"),
        ("iwae", "sphere", "svae"),
        ("iaf-vae", "ball", "StandardNormal"),
    ],
)
def test_priors_that_cannot_work_are_refused(recipe: str, prior: str, words: str) -> None:
    with pytest.raises(CapabilityError, match=words):
        assemble(recipe, load("digits"), 8, nets="mlp", prior=prior)


def test_a_sphere_needs_two_dimensions() -> None:
    with pytest.raises(ConfigError, match="at least two"):
        assemble("svae", load("digits"), 1, nets="mlp")


def test_tcvae_knows_its_population() -> None:
    data = load("digits")
    assert f"population={len(data.train)}" in repr(assemble("tcvae", data, 4, nets="mlp").objective)
