"""Radius and energy: valid for every prior, powerful where they should be, honest where they cannot tell."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from lather.auditing.energy import energy_row
from lather.auditing.radius import radius_row
from lather.divergences import Energy
from lather.priors import GaussianMixture, Prior, StandardNormal, UniformCube, UniformSphere


def mixture() -> GaussianMixture:
    return GaussianMixture(torch.tensor([[2.0, 0.0, 0.0], [-2.0, 0.0, 0.0]]), 0.5)


@pytest.mark.parametrize("prior", [StandardNormal(3), UniformCube(3), mixture()])
def test_p_values_are_uniform_under_every_prior(prior: Prior, generator: torch.Generator) -> None:
    draws = [prior.sample(40, generator=generator).double() for _ in range(60)]
    for measure in (radius_row, energy_row):
        p = [measure(z, prior, generator=generator).p for z in draws]
        assert stats.kstest(p, "uniform").pvalue > 1e-3, measure


def test_radius_sees_scale_and_says_which_way(generator: torch.Generator) -> None:
    z = torch.randn(2000, 64, generator=generator, dtype=torch.float64)
    small, large = (radius_row(s * z, StandardNormal(64)) for s in (0.95, 1.05))
    assert small.details["ratio"] == pytest.approx(0.95, abs=0.005)
    assert "closer to" in small.meaning
    assert "farther from" in large.meaning
    assert small.p < 1e-6


def test_radius_sees_thickness(generator: torch.Generator) -> None:
    z = torch.randn(2000, 16, generator=generator, dtype=torch.float64)
    z = 4 * z / z.norm(dim=1, keepdim=True)
    row = radius_row(z, StandardNormal(16))
    assert "narrower" in row.meaning
    assert row.details["spread"] < 0.01


def test_power_at_the_radius_detection_size(generator: torch.Generator) -> None:
    def draw(n: int) -> torch.Tensor:
        return 0.95 * torch.randn(n, 16, generator=generator, dtype=torch.float64)

    size = radius_row(draw(20_000), StandardNormal(16)).n_star
    n = round(size.n)
    power = np.mean([radius_row(draw(n), StandardNormal(16)).p < 0.05 for _ in range(150)])
    assert 0.35 < power < 0.68


def test_a_fixed_radius_is_a_reason_not_a_number(generator: torch.Generator) -> None:
    prior = UniformSphere(4)
    row = radius_row(prior.sample(100, generator=generator).double(), prior)
    assert not row.computed
    assert "same norm" in row.reason
    assert energy_row(prior.sample(100, generator=generator).double(), prior, generator=generator).p > 0.001


def test_energy_against_known_averages_is_the_divergence(generator: torch.Generator) -> None:
    z = torch.randn(50, 3, generator=generator, dtype=torch.float64) + 0.3
    row = energy_row(z, StandardNormal(3))
    assert row.effect == pytest.approx(float(Energy()(z, StandardNormal(3))), rel=1e-9)
    assert row.details["null_mean"] == 0


def test_energy_against_draws_is_the_v_statistic(generator: torch.Generator) -> None:
    prior, z = mixture(), torch.randn(50, 3, generator=generator, dtype=torch.float64) + 0.3
    row = energy_row(z, prior, generator=torch.Generator().manual_seed(5))
    y = prior.sample(50, generator=torch.Generator().manual_seed(5)).double()
    value = 2 * torch.cdist(z, y).mean() - torch.cdist(z, z).mean() - torch.cdist(y, y).mean()
    assert row.effect + row.details["null_mean"] == pytest.approx(value.item(), rel=1e-5)


def test_energy_detection_size_holds_for_the_one_sample_test(generator: torch.Generator) -> None:
    prior, energy = StandardNormal(8), Energy()

    def draw(n: int) -> torch.Tensor:
        return 0.8 * torch.randn(n, 8, generator=generator, dtype=torch.float64)

    n = round(energy_row(draw(1500), prior, generator=generator).n_star.n)
    null = torch.stack([energy(torch.randn(n, 8, generator=generator).double(), prior) for _ in range(300)])
    power = np.mean([(energy(draw(n), prior) > null.quantile(0.95)).item() for _ in range(200)])
    assert 0.33 < power < 0.67
