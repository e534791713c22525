"""MMD: values against plain sums, exact prior terms, null variance."""

from __future__ import annotations

import math

import pytest
import torch

from lather.divergences import MMD, GaussianKernel, IMQKernel
from lather.errors import ConfigError
from lather.priors import StandardNormal, UniformCube

IMQ_SCALES = (0.1, 0.2, 0.5, 1, 2, 5, 10)


def constants(d):
    """2ds, to 2⁻¹⁸ of the power of two below 2d."""
    unit = 2.0 ** (math.floor(math.log2(2 * d)) - 18)
    return [round(2 * d * s / unit) * unit for s in IMQ_SCALES]


def imq(x, y):
    squared = (x[:, None] - y[None]).square().sum(-1)
    return sum(c / (c + squared) for c in constants(x.shape[1]))


def test_constants_are_rounded_by_next_to_nothing():
    for d in (1, 3, 64, 1000):
        profile = IMQKernel().profile(d)
        assert list(profile.constants) == constants(d) == pytest.approx([2 * d * s for s in IMQ_SCALES], rel=2e-5)


def gaussian(h):
    return lambda x, y: torch.exp(-(x[:, None] - y[None]).square().sum(-1) / (2 * h**2))


KERNELS = [(IMQKernel(), imq), (GaussianKernel(0.7), gaussian(0.7)), (GaussianKernel(4), gaussian(4.0))]


def off_diagonal_mean(k):
    n = len(k)
    return (k.sum() - k.diagonal().sum()) / (n * (n - 1))


@pytest.mark.parametrize(("kernel", "k"), KERNELS, ids=["imq", "narrow", "wide"])
def test_against_draws_it_is_the_textbook_estimate(kernel, k, generator):
    z = torch.randn(30, 3, generator=generator, dtype=torch.float64)
    prior = UniformCube(3)
    y = prior.sample(30, generator=torch.Generator().manual_seed(3)).double()
    value = MMD(kernel)(z, prior, generator=torch.Generator().manual_seed(3))
    expected = off_diagonal_mean(k(z, z)) + off_diagonal_mean(k(y, y)) - 2 * k(z, y).mean()
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-13)
    value = MMD(kernel, unbiased=False)(z, prior, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(value, k(z, z).mean() + k(y, y).mean() - 2 * k(z, y).mean(), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(("kernel", "k"), KERNELS, ids=["imq", "narrow", "wide"])
@pytest.mark.parametrize("d", [1, 3])
def test_prior_mean_agrees_with_quadrature(kernel, k, d):
    step = 0.05 if d == 1 else 0.25  # the trapezoidal rule converges exponentially here
    t = torch.arange(-8.0, 8.0 + step / 2, step, dtype=torch.float64)
    weights = torch.exp(-t.square() / 2) * step / math.sqrt(2 * math.pi)
    grid = torch.cartesian_prod(*[t] * d).reshape(-1, d)
    w = torch.cartesian_prod(*[weights] * d).reshape(-1, d).prod(1)
    points = torch.zeros(3, d, dtype=torch.float64)
    points[:, 0] = torch.tensor([0.0, 1.0, 2.5])
    torch.testing.assert_close(kernel.prior_mean(points.square().sum(1), d)[0], k(points, grid) @ w, rtol=1e-7, atol=0)


@pytest.mark.parametrize("kernel", [kernel for kernel, _ in KERNELS], ids=repr)
@pytest.mark.parametrize("d", [1, 8])
def test_prior_self_term_is_the_mean_of_the_prior_mean(kernel, d):
    """E k(Y, Y') = E E[k(Y, Y') | ‖Y‖], integrated over the law of ‖Y‖² with scipy."""
    from scipy import integrate, stats

    def integrand(q):
        return float(kernel.prior_mean(torch.tensor([q], dtype=torch.float64), d)[0]) * stats.chi2.pdf(q, d)

    value, _ = integrate.quad(integrand, 0, 1, epsabs=1e-13, limit=200)
    rest, _ = integrate.quad(integrand, 1, 200, epsabs=1e-13, limit=200)
    assert kernel.prior_self(d) == pytest.approx(value + rest, rel=1e-6)


@pytest.mark.parametrize(("h", "d"), [(1.0, 2), (2.0, 8), (8.0, 64)])
def test_null_variance_is_that_of_the_centred_kernel(h, d, generator):
    kernel = GaussianKernel(h)
    x, y = torch.randn(2, 200_000, d, generator=generator, dtype=torch.float64)
    k = torch.exp(-(x - y).square().sum(1) / (2 * h**2))
    sides = [kernel.prior_mean(side.square().sum(1), d)[0] for side in (x, y)]
    centred = k - sides[0] - sides[1] + kernel.prior_self(d)
    n = 50
    assert MMD(kernel).null_variance(n, d) == pytest.approx(
        2 * float(centred.square().mean()) / (n * (n - 1)), rel=0.05
    )


def test_null_variance_is_seen_in_replicates(generator):
    divergence, prior = MMD(GaussianKernel(2.0)), StandardNormal(3)
    values = torch.stack([divergence(prior.sample(16, generator=generator), prior) for _ in range(500)])
    assert float(values.double().var()) == pytest.approx(divergence.null_variance(16, 3), rel=0.3)


def test_null_variance_is_refused_where_unknown():
    for divergence in (MMD(), MMD(GaussianKernel(), unbiased=False)):
        with pytest.raises(ConfigError, match="GaussianKernel"):
            divergence.null_variance(10, 2)


def test_non_negative_form_is_a_squared_norm(generator):
    prior = StandardNormal(2)
    for kernel, _ in KERNELS:
        for n in (2, 5, 50):
            assert MMD(kernel, unbiased=False)(torch.randn(n, 2, generator=generator), prior) > 0


@pytest.mark.parametrize("bandwidth", [0.0, -1.0, math.inf, math.nan])
def test_bad_bandwidth_is_refused(bandwidth):
    with pytest.raises(ConfigError, match="bandwidth"):
        GaussianKernel(bandwidth)


@pytest.mark.parametrize("scales", [(), (1.0, -1.0), (math.inf,)])
def test_bad_scales_are_refused(scales):
    with pytest.raises(ConfigError, match="scales"):
        IMQKernel(scales)
