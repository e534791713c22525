"""Laplacian, rational quadratic and mixed kernels."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from lather.divergences import (
    MMD,
    GaussianKernel,
    IMQKernel,
    KernelMixture,
    LaplacianKernel,
    RationalQuadraticKernel,
)
from lather.divergences.scale_mixture import gamma_mixture, stable_mixture
from lather.errors import ConfigError
from lather.priors import StandardNormal, UniformCube


def distances(x, y):
    return (x[:, None] - y[None]).square().sum(-1)


def laplacian(h):
    return lambda x, y: torch.exp(-distances(x, y).sqrt() / h)


def rational(alpha, h):
    return lambda x, y: (1 + distances(x, y) / (2 * alpha * h**2)) ** -alpha


def mixed(x, y):
    return 0.5 * torch.exp(-distances(x, y) / 2) + 2 * laplacian(3.0)(x, y) + one_imq(x, y)


def one_imq(x, y):
    return 2 * x.shape[1] / (2 * x.shape[1] + distances(x, y))


MIXTURE = KernelMixture([GaussianKernel(), LaplacianKernel(3), IMQKernel([1.0])], [0.5, 2, 1])
KERNELS = [
    (LaplacianKernel(0.7), laplacian(0.7)),
    (LaplacianKernel(4), laplacian(4.0)),
    (RationalQuadraticKernel(0.2, 0.5), rational(0.2, 0.5)),
    (RationalQuadraticKernel(30, 2), rational(30.0, 2.0)),
    (MIXTURE, mixed),
]
IDS = ["laplacian-narrow", "laplacian-wide", "rational-heavy", "rational-light", "mixture"]


def off_diagonal_mean(k):
    n = len(k)
    return (k.sum() - k.diagonal().sum()) / (n * (n - 1))


@pytest.mark.parametrize("d", [1.0, 1e-4, 9.0, 1e4])
def test_mixtures_of_gaussians_are_the_kernels(d):
    def value(mixture):
        return float((mixture.weights * torch.exp(-d * mixture.rates)).sum())

    for length in (0.1, 1.0, 20.0):
        assert value(stable_mixture(length)) == pytest.approx(math.exp(-math.sqrt(d) / length), abs=1e-13)
    for shape in (0.05, 0.5, 1.0, 7.0, 1e3):
        assert value(gamma_mixture(shape, 2 * shape)) == pytest.approx((1 + d / (2 * shape)) ** -shape, abs=1e-12)


@pytest.mark.parametrize(("kernel", "k"), KERNELS, ids=IDS)
def test_against_draws_it_is_the_textbook_estimate(kernel, k, generator):
    z = torch.randn(30, 3, generator=generator, dtype=torch.float64)
    prior = UniformCube(3)
    y = prior.sample(30, generator=torch.Generator().manual_seed(3)).double()
    value = MMD(kernel)(z, prior, generator=torch.Generator().manual_seed(3))
    expected = off_diagonal_mean(k(z, z)) + off_diagonal_mean(k(y, y)) - 2 * k(z, y).mean()
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-13)
    value = MMD(kernel, unbiased=False)(z, prior, generator=torch.Generator().manual_seed(3))
    expected = k(z, z).mean() + k(y, y).mean() - 2 * k(z, y).mean()
    torch.testing.assert_close(value, expected, rtol=1e-7, atol=1e-9)  # √D of rounded D on the diagonal


@pytest.mark.parametrize(("kernel", "k"), KERNELS, ids=IDS)
def test_prior_mean_agrees_with_quadrature_over_the_distance(kernel, k):
    """In one dimension, E f(|x − Y|²) split at the cusp; in three, through the law of the distance."""
    from scipy import integrate, stats

    zero = torch.zeros(1, 1, dtype=torch.float64)
    for x in (0.0, 1.0, 2.5):

        def integrand(y, x=x):
            return float(k(zero + x, zero + y)) * stats.norm.pdf(y)

        parts = [integrate.quad(integrand, a, b, epsabs=1e-13)[0] for a, b in ((-12, x), (x, 12))]
        mean = float(kernel.prior_mean(torch.tensor([x * x], dtype=torch.float64), 1)[0])
        assert mean == pytest.approx(sum(parts), rel=1e-9)
    unit = torch.zeros(1, 3, dtype=torch.float64)

    def self_integrand(r):
        other = unit.clone()
        other[0, 0] = r
        return float(k(unit, other)) * stats.maxwell.pdf(r, scale=math.sqrt(2))

    value = integrate.quad(self_integrand, 0, 20, epsabs=1e-12)[0]
    assert kernel.prior_self(3) == pytest.approx(value, rel=1e-8)


@pytest.mark.parametrize(("kernel", "k"), KERNELS, ids=IDS)
def test_slope_of_the_prior_mean_and_gradient(kernel, k, generator):
    r2 = torch.tensor([0.1, 3.0, 50.0], dtype=torch.float64)
    step = 1e-5
    high, low = (kernel.prior_mean(r2 + side, 4)[0] for side in (step, -step))
    torch.testing.assert_close(kernel.prior_mean(r2, 4)[1], (high - low) / (2 * step), rtol=1e-5, atol=1e-9)
    z = torch.randn(5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda z: MMD(kernel)(z, StandardNormal(3)), (z,))


def test_known_limits(generator):
    z = torch.randn(20, 4, generator=generator, dtype=torch.float64)
    prior = StandardNormal(4)
    one = MMD(RationalQuadraticKernel(alpha=1, bandwidth=2))(z, prior)  # C = 2h² = 8 = 2d·s, s = 1
    torch.testing.assert_close(one, MMD(IMQKernel([1.0]))(z, prior), rtol=1e-9, atol=1e-12)
    wide = MMD(RationalQuadraticKernel(alpha=1e4, bandwidth=2))(z, prior)
    torch.testing.assert_close(wide, MMD(GaussianKernel(2))(z, prior), rtol=1e-2, atol=1e-6)


@pytest.mark.parametrize("kernel", [LaplacianKernel(2.0), RationalQuadraticKernel(0.5, 1.5)], ids=repr)
def test_null_variance_is_that_of_the_centred_kernel(kernel, generator):
    d, n = 3, 50
    x, y = torch.randn(2, 20_000, d, generator=generator, dtype=torch.float64)
    r2 = (x - y).square().sum(1)
    alpha = 0.5
    k = torch.exp(-r2.sqrt() / 2) if isinstance(kernel, LaplacianKernel) else (1 + r2 / (2 * alpha * 2.25)) ** -alpha
    centred = k - kernel.prior_mean(x.square().sum(1), d)[0] - kernel.prior_mean(y.square().sum(1), d)[0]
    centred = centred + kernel.prior_self(d)
    expected = 2 * float(centred.square().mean()) / (n * (n - 1))
    assert MMD(kernel).null_variance(n, d) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    "make",
    [
        lambda: LaplacianKernel(0),
        lambda: RationalQuadraticKernel(bandwidth=math.nan),
        lambda: RationalQuadraticKernel(alpha=1e9),
        lambda: KernelMixture([]),
        lambda: KernelMixture([GaussianKernel()], [1.0, 2.0]),
        lambda: KernelMixture([GaussianKernel()], [-1.0]),
    ],
)
def test_bad_settings_are_refused(make):
    with pytest.raises(ConfigError):
        make()
