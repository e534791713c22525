"""Uniformity on the sphere."""

from __future__ import annotations

import math

import pytest
import torch

from lather.divergences import MMD, GaussianKernel, SphereUniformity
from lather.divergences.sphere_uniformity import sphere_potential
from lather.errors import CapabilityError, ConfigError
from lather.priors import StandardNormal, UniformSphere


@pytest.mark.parametrize("t", [0.1, 2.0, 60.0])
@pytest.mark.parametrize("d", [2, 3, 16, 500])
def test_potential_is_the_average_over_the_angle(t, d):
    from scipy import special

    bessel = float(special.ive(d / 2 - 1, 2 * t))
    if bessel > 0:  # else it underflows
        expected = math.exp(math.lgamma(d / 2) - (d / 2 - 1) * math.log(t) + math.log(bessel))
        assert sphere_potential(t, d) == pytest.approx(expected, rel=1e-10)
    theta = (torch.arange(200_000, dtype=torch.float64) + 0.5) * math.pi / 200_000
    weight = theta.sin().log().mul(d - 2).exp()
    kernel = torch.exp(-2 * t * (1 - theta.cos()))
    assert sphere_potential(t, d) == pytest.approx(float(weight @ kernel / weight.sum()), rel=1e-7)


@pytest.mark.parametrize("unbiased", [True, False])
def test_it_is_the_uniformity_loss_less_its_minimum(unbiased, generator):
    z = torch.nn.functional.normalize(torch.randn(20, 3, generator=generator, dtype=torch.float64), dim=1)
    pairs = torch.exp(-2 * torch.pdist(z).square())
    mean = pairs.mean() if unbiased else (2 * pairs.sum() + 20) / 400
    expected = mean - (1 - math.exp(-8)) / 8  # in three dimensions ‖x − Y‖² is uniform on [0, 4]
    torch.testing.assert_close(SphereUniformity(unbiased=unbiased)(z, UniformSphere(3)), expected)


def test_it_is_the_gaussian_mmd_without_its_noise(generator):
    prior = UniformSphere(4)
    z = torch.nn.functional.normalize(torch.randn(30, 4, generator=generator) + 1, dim=1)
    mmd = MMD(GaussianKernel(0.5))  # t = 1/2h² = 2
    values = torch.stack([mmd(z, prior, generator=generator) for _ in range(400)]).double()
    exact = float(SphereUniformity()(z, prior))
    assert abs(float(values.mean()) - exact) < 4 * float(values.std()) / 20


def test_radius_is_not_seen_and_descent_spreads_the_directions(generator):
    prior = UniformSphere(3)
    z = torch.randn(60, 3, generator=generator, dtype=torch.float64) * 0.3 + 1
    uniformity = SphereUniformity(unbiased=False)
    torch.testing.assert_close(uniformity(7 * z, prior), uniformity(z, prior))
    first = float(uniformity(z, prior))
    z.requires_grad_()
    optimizer = torch.optim.Adam([z], lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        uniformity(z, prior).backward()
        optimizer.step()
    assert float(uniformity(z.detach(), prior)) < 0.02 * first


def test_other_priors_and_bad_settings_are_refused():
    with pytest.raises(CapabilityError, match="UniformSphere"):
        SphereUniformity()(torch.zeros(4, 2), StandardNormal(2))
    for t in (0, -1, math.nan, 1e6):
        with pytest.raises(ConfigError, match="t above 0"):
            SphereUniformity(t)
