"""A batch taken in parts has the values and the gradient of the whole."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from lather.divergences import DIVERGENCES, CramerWold, Energy, make_divergence
from lather.errors import ConfigError
from lather.models import (
    Autoencoder,
    Bernoulli,
    DecoderPenalty,
    DiagonalGaussian,
    Gaussian,
    LatentNorm,
    Likelihood,
    Match,
    Objective,
    Point,
    PosteriorKL,
    Reconstruction,
    SquaredError,
)
from lather.models.in_parts import backward_in_parts, check_parts, evaluate_in_parts
from lather.priors import StandardNormal

D = 3


def model_of(objective: Objective, *, gaussian: bool = False, dropout: float = 0.0) -> Autoencoder:
    torch.manual_seed(5)
    encoder = nn.Sequential(nn.Linear(7, 12), nn.Tanh(), nn.Linear(12, 2 * D if gaussian else D))
    decoder = nn.Sequential(nn.Linear(D, 12), nn.Tanh(), nn.Dropout(dropout), nn.Linear(12, 7))
    posterior = DiagonalGaussian() if gaussian else Point()
    model = Autoencoder(
        encoder,
        decoder,
        prior=StandardNormal(D),
        objective=copy.deepcopy(objective),  # held ones have a state
        posterior=posterior,
        likelihood=Gaussian(sigma="learned") if gaussian else SquaredError(),
    )
    return model.double()


def batch(n: int = 26) -> Tensor:
    return torch.randn(n, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(6)) * torch.arange(1.0, 8)


def generators() -> dict[str, torch.Generator]:
    return {"generator": torch.Generator().manual_seed(1), "noise": torch.Generator().manual_seed(2)}


def gradients(model: Autoencoder) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


OBJECTIVES = {
    **{
        name: Reconstruction() + 5 * Match(make_divergence(name, D)) + 0.1 * LatentNorm()
        for name in DIVERGENCES
        if not name.startswith("sphere")
    },
    "held": Reconstruction() + Match(CramerWold()).to_noise_floor(start=3.0),
    "log": Reconstruction() + Match(CramerWold(unbiased=False)).log(),
    "weights": Reconstruction() + 0.3 * DecoderPenalty("weights"),
}


@pytest.mark.parametrize(("name", "size"), [*((name, 5) for name in OBJECTIVES), ("energy", 25), ("energy", 1)])
def test_the_gradient_is_that_of_the_whole_batch(name: str, size: int) -> None:
    whole, parts = model_of(OBJECTIVES[name]), model_of(OBJECTIVES[name])
    expected = whole(batch(), t=3, **generators())
    expected["loss"].backward()
    found = backward_in_parts(parts, parts, batch(), size, t=3, **generators())
    assert list(found) == list(expected)
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value.detach(), rtol=1e-9, atol=1e-11)
    one, two = gradients(whole), gradients(parts)
    assert one.keys() == two.keys()
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-8, atol=1e-11, msg=lambda text, key=key: f"{key}: {text}")


def test_latent_noise_and_dropout_are_the_same_in_both_passes() -> None:
    """Against one graph through all parts, drawn with the same streams."""
    objective = Reconstruction() + 0.5 * PosteriorKL() + 5 * Match(Energy())
    whole, parts = (model_of(objective, gaussian=True, dropout=0.3) for _ in range(2))
    torch.manual_seed(3)
    given = generators()
    states = []
    for part in batch().split(7):  # the first pass moves both streams by what encoding draws
        states.append((given["noise"].get_state(), torch.get_rng_state()))
        whole.encode(part).draw(given["noise"])
    steps = []
    for part, (noise, own) in zip(batch().split(7), states, strict=True):
        given["noise"].set_state(noise)
        torch.set_rng_state(own)
        steps.append(whole.step(part, t=0, **given))
    match = Energy()(torch.cat([step.z for step in steps]), StandardNormal(D).double())
    rest = [whole.objective.total(whole.objective.some(step, "mean")) * len(step.x) / 26 for step in steps]
    (sum(rest) + 5 * match).backward()
    torch.manual_seed(3)
    backward_in_parts(parts, parts, batch(), 7, t=0, **generators())
    one, two = gradients(whole), gradients(parts)
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-8, atol=1e-11)


def test_evaluation_in_parts_is_evaluation() -> None:
    model = model_of(Reconstruction() + 5 * Match(Energy()) + LatentNorm()).eval()
    with torch.no_grad():
        expected = model(batch(), t=0, generator=torch.Generator().manual_seed(1))
    found = evaluate_in_parts(model, batch(), 4, t=0, generator=torch.Generator().manual_seed(1))
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-9, atol=1e-11)


def test_what_cannot_be_taken_apart_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"PosteriorKL.*neither a mean over data nor a function of the latents"):
        check_parts(model_of(Reconstruction() + PosteriorKL(free_bits=0.1), gaussian=True))


@pytest.mark.parametrize(("likelihood", "works"), [(Gaussian("optimal"), False), (Bernoulli(), True)])
def test_a_scale_that_is_the_best_for_the_batch_is_refused(likelihood: Likelihood, works: bool) -> None:
    objective = Reconstruction() + Match()
    nets = nn.Linear(4, D), nn.Linear(D, 4)
    model = Autoencoder(*nets, prior=StandardNormal(D), objective=objective, likelihood=likelihood)
    if works:
        check_parts(model)
    else:
        with pytest.raises(ConfigError, match="gaussian-learned"):
            check_parts(model)
