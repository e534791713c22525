"""The worst direction."""

from __future__ import annotations

import math

import pytest
import torch

from lather.divergences import CramerVonMises, MaxSliced, Sliced, Wasserstein1d
from lather.errors import CapabilityError, ConfigError
from lather.priors import GaussianMixture, StandardNormal, UniformCube


def test_it_finds_the_worst_direction_of_the_circle(generator):
    """Against a fine scan of all directions of the plane."""
    z = torch.randn(200, 2, generator=generator, dtype=torch.float64) @ torch.tensor([[2.0, 1.0], [0.0, 1.0]]).double()
    angle = torch.linspace(0, math.pi, 2000, dtype=torch.float64)
    statistic = Wasserstein1d()
    scan = statistic.against_normal(torch.stack([angle.cos(), angle.sin()], 1) @ z.T)
    value = MaxSliced(statistic, steps=40, directions=3)(z, StandardNormal(2), generator=generator)
    assert float(value) == pytest.approx(float(scan.max()), rel=1e-4)


def test_ascent_finds_one_bad_axis_that_random_directions_miss(generator):
    d = 32
    z = torch.randn(2000, d, generator=generator)
    z[:, 5] = 2 * torch.randn(2000, generator=generator).sign() + 0.3 * torch.randn(2000, generator=generator)
    values = [
        float(MaxSliced(Wasserstein1d(), steps=steps)(z, StandardNormal(d), generator=generator)) for steps in (0, 60)
    ]
    z = z[:, 5:6].double()
    best = float(Wasserstein1d().against_normal(z.T))
    assert values[0] < 0.5 * best
    assert 0.9 * best < values[1]


def test_more_steps_are_never_worse(generator):
    z, prior = torch.randn(50, 6, generator=generator), StandardNormal(6)
    values = [
        MaxSliced(Wasserstein1d(), steps=steps)(z, prior, generator=torch.Generator().manual_seed(1))
        for steps in (0, 1, 3, 10)
    ]
    assert values == sorted(values)
    assert values[-1] > values[0]


def test_gradient_is_that_of_the_maximum(generator):
    """Where the ascent has converged, a difference of the scanned maximum itself agrees (Danskin)."""
    z = torch.randn(30, 2, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 2.0])
    angle = torch.linspace(0, math.pi, 20_000, dtype=torch.float64)
    v, statistic = torch.stack([angle.cos(), angle.sin()], 1), Wasserstein1d()
    move = torch.randn(30, 2, generator=generator, dtype=torch.float64)
    high, low = (statistic.against_normal(v @ (z + side * move).T).max() for side in (1e-2, -1e-2))
    z.requires_grad_()
    MaxSliced(statistic, steps=100, directions=16)(z, StandardNormal(2), generator=generator).backward()
    assert float((z.grad * move).sum()) == pytest.approx(float(high - low) / 2e-2, rel=1e-3)


@pytest.mark.parametrize("statistic", [Wasserstein1d(), CramerVonMises()], ids=repr)
def test_other_priors(statistic, generator):
    prior = GaussianMixture(torch.tensor([[-3.0, 0.0], [3.0, 1.0]]), stds=0.3)
    divergence = MaxSliced(statistic, steps=5)
    own = float(divergence(prior.sample(400, generator=generator), prior, generator=generator))
    assert own < 0.1 * float(divergence(torch.randn(400, 2, generator=generator), prior, generator=generator))


def test_it_is_above_the_mean_and_what_its_statistic_refuses_it_refuses(generator):
    z, prior = torch.randn(50, 6, generator=generator), StandardNormal(6)
    mean = Sliced(Wasserstein1d())(z, prior, generator=generator)
    assert MaxSliced(Wasserstein1d())(z, prior, generator=generator) > mean
    with pytest.raises(CapabilityError, match="Cramer"):
        MaxSliced(CramerVonMises())(z, UniformCube(6))


@pytest.mark.parametrize("settings", [{"steps": -1}, {"directions": 0}, {"angle": 0}, {"angle": 2}])
def test_bad_settings_are_refused(settings):
    with pytest.raises(ConfigError, match="MaxSliced"):
        MaxSliced(Wasserstein1d(), **settings)
