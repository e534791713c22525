"""Stein discrepancy, Gaussian fit, Mardia and Henze–Zirkler: tests of normality as divergences."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from lather.divergences import MMD, GaussianFit, GaussianKernel, HenzeZirkler, Mardia, SteinDiscrepancy
from lather.divergences.mardia import mardia_moments, mardia_null
from lather.errors import CapabilityError, ConfigError, ShapeError
from lather.priors import StandardNormal, UniformCube


def latents(generator, n=12, d=3):
    return 1.3 * torch.randn(n, d, generator=generator, dtype=torch.float64) + 0.4


# Stein ------------------------------------------------------------------------------------------------------------
def stein_kernel(x, y, c2):
    """u(x, y) from its definition: score and kernel by automatic differentiation."""
    x, y = x.clone().requires_grad_(), y.clone().requires_grad_()

    def f(x, y):
        return (c2 + (x - y).square().sum()) ** -0.5

    at_x, at_y = torch.autograd.functional.jacobian(f, (x, y))
    mixed = torch.autograd.functional.hessian(f, (x, y))[0][1]
    return (x @ y) * f(x, y) - x @ at_y - y @ at_x + mixed.diagonal().sum()


@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_stein_kernel_is_the_definition(scale, generator):
    z = latents(generator, n=5)
    u = torch.stack([torch.stack([stein_kernel(x, y, scale**2 * 3) for y in z]) for x in z]).detach()
    prior = StandardNormal(3)
    value = SteinDiscrepancy(scale)(z, prior)
    torch.testing.assert_close(value, (u.sum() - u.diagonal().sum()) / 20, rtol=1e-10, atol=1e-13)
    torch.testing.assert_close(SteinDiscrepancy(scale, unbiased=False)(z, prior), u.mean(), rtol=1e-10, atol=1e-13)


def test_stein_kernel_averages_to_zero_in_either_argument():
    t = torch.arange(-9, 9, 0.02, dtype=torch.float64)
    weight = torch.exp(-t.square() / 2) * 0.02 / math.sqrt(2 * math.pi)
    for x in (0.0, 1.7):
        pairs = torch.stack([torch.full_like(t, x), t], 1)[..., None]
        values = torch.stack([SteinDiscrepancy()(pair, StandardNormal(1)) for pair in pairs])
        assert abs(float(values @ weight)) < 1e-10


def test_stein_blocks_add_up(generator, monkeypatch):
    z, prior = latents(generator).requires_grad_(), StandardNormal(3)
    whole = SteinDiscrepancy()(z, prior)
    (gradient,) = torch.autograd.grad(whole, z)
    monkeypatch.setattr("lather.divergences.stein._BLOCK", 5)
    parts = SteinDiscrepancy()(z, prior)
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(torch.autograd.grad(parts, z)[0], gradient)


# Gaussian fit -----------------------------------------------------------------------------------------------------
def test_gaussian_fit_is_the_distance_of_the_fitted_gaussian(generator):
    z = latents(generator)
    mean, covariance = z.mean(0), torch.cov(z.T, correction=0)
    fitted = torch.distributions.MultivariateNormal(mean, covariance)
    standard = torch.distributions.MultivariateNormal(torch.zeros(3).double(), torch.eye(3).double())
    expected = torch.distributions.kl_divergence(fitted, standard)
    torch.testing.assert_close(GaussianFit("kl")(z, StandardNormal(3)), expected)
    roots = torch.linalg.eigvalsh(covariance).sqrt()
    torch.testing.assert_close(GaussianFit()(z, StandardNormal(3)), mean.square().sum() + (roots - 1).square().sum())


def test_gaussian_fit_kl(generator):
    z, prior = latents(generator).requires_grad_(), StandardNormal(3)
    assert gradcheck(lambda z: GaussianFit("kl")(z, prior), (z,))
    x = torch.randn(2000, 12, 3, generator=generator, dtype=torch.float64)
    values = torch.stack([GaussianFit("kl")(row, prior) for row in x])
    error = float(values.std()) / math.sqrt(2000)
    assert abs(float(values.mean()) - GaussianFit("kl").null_mean(12, 3)) < 3.5 * error
    assert GaussianFit("kl").null_mean(10**6, 8) == pytest.approx((8 * 9 / 4 + 4) / 1e6, rel=1e-3)
    with pytest.raises(ShapeError, match="singular"):
        GaussianFit("kl")(z[:3], prior)


# Mardia -----------------------------------------------------------------------------------------------------------
def test_mardia_moments_are_the_definition(generator):
    z = latents(generator)
    centred = z - z.mean(0)
    g = centred @ torch.linalg.inv(torch.cov(z.T, correction=0)) @ centred.T
    skewness, kurtosis = mardia_moments(z)
    torch.testing.assert_close(skewness, g.pow(3).mean())
    torch.testing.assert_close(kurtosis, g.diagonal().square().mean())
    mix = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(mardia_moments(z @ mix + 5)[0], skewness)


@pytest.mark.parametrize(("n", "d"), [(6, 4), (20, 3), (9, 1)])
def test_mardia_null_moments_are_exact(n, d, generator):
    both = [mardia_moments(torch.randn(n, d, generator=generator)) for _ in range(4000)]
    skewness, kurtosis = (torch.stack(values) for values in zip(*both, strict=True))
    mean1, mean2, variance2 = mardia_null(n, d)
    assert abs(float(skewness.mean()) - mean1) < 3.5 * float(skewness.std()) / math.sqrt(4000)
    assert abs(float(kurtosis.mean()) - mean2) < 3.5 * float(kurtosis.std()) / math.sqrt(4000)
    assert float(kurtosis.var()) == pytest.approx(variance2, rel=0.2)


def test_mardia_needs_more_samples_than_dimensions():
    with pytest.raises(ShapeError, match="n=3, d=3"):
        Mardia()(torch.zeros(3, 3), StandardNormal(3))


# Henze–Zirkler ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("unbiased", [True, False])
def test_henze_zirkler_is_a_gaussian_mmd(unbiased, generator):
    """BHEP_β without studentisation is the Gaussian MMD at bandwidth 1/β, and β is that of Henze and Zirkler."""
    z, prior = latents(generator), StandardNormal(3)
    beta = (7 * 12 / 4) ** (1 / 7) / math.sqrt(2)
    expected = MMD(GaussianKernel(1 / beta), unbiased)(z, prior)
    torch.testing.assert_close(HenzeZirkler(unbiased=unbiased)(z, prior), expected, rtol=1e-12, atol=1e-14)


def test_henze_zirkler_is_the_weighted_distance_of_characteristic_functions(generator):
    z = latents(generator, d=1)
    beta = 0.8
    t = torch.linspace(-10, 10, 4001, dtype=torch.float64)
    psi = torch.polar(torch.ones(1).double(), z * t).mean(0)
    weight = torch.exp(-t.square() / (2 * beta**2)) / (beta * math.sqrt(2 * math.pi))
    expected = ((psi - torch.exp(-t.square() / 2)).abs().square() * weight).sum() * 20 / 4000
    value = HenzeZirkler(beta, unbiased=False)(z, StandardNormal(1))
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=0)


def test_studentized_henze_zirkler_is_affine_invariant_and_the_classical_formula(generator):
    z, prior, n, d = latents(generator, n=30), StandardNormal(3), 30, 3
    statistic = HenzeZirkler(unbiased=False, studentize=True)
    value = statistic(z, prior)
    mix = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(statistic(z @ mix - 2, prior), value)
    centred = z - z.mean(0)
    g = centred @ torch.linalg.inv(torch.cov(z.T, correction=0)) @ centred.T
    r2, b2 = g.diagonal(), statistic.smoothing(n, d) ** 2
    pairs = torch.exp(-b2 / 2 * (r2[:, None] + r2 - 2 * g)).mean()
    cross = torch.exp(-b2 * r2 / (2 * (1 + b2))).mean()
    expected = pairs - 2 * (1 + b2) ** (-d / 2) * cross + (1 + 2 * b2) ** (-d / 2)
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SteinDiscrepancy(0),
        lambda: GaussianFit("fid"),
        lambda: HenzeZirkler(-1),
        lambda: HenzeZirkler(studentize=True),
        lambda: GaussianFit().null_mean(10, 2),
    ],
)
def test_bad_settings_are_refused(make):
    with pytest.raises(ConfigError):
        make()


@pytest.mark.parametrize("divergence", [SteinDiscrepancy(), GaussianFit(), Mardia(), HenzeZirkler()], ids=repr)
def test_other_priors_are_refused(divergence):
    with pytest.raises(CapabilityError, match="StandardNormal"):
        divergence(torch.zeros(4, 2), UniformCube(2))
