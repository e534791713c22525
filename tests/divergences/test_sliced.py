"""Slicing and its one-dimensional statistics."""

from __future__ import annotations

import math

import pytest
import torch

from lather.divergences import EppsPulley, Sliced, Wasserstein1d
from lather.divergences.order_statistics import cell_edges, cell_means, order_quadrature
from lather.divergences.wasserstein import null_mean_w1, shrinkage
from lather.errors import CapabilityError, ConfigError
from lather.priors import GaussianMixture, StandardNormal


def sample(generator, k=3, n=11):
    return torch.randn(k, n, generator=generator, dtype=torch.float64) * 1.4 + 0.3


# order statistics -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [2, 3, 10, 101])
def test_cells_are_quantile_integrals(n):
    from scipy import integrate, stats

    cells = [integrate.quad(stats.norm.ppf, i / n, (i + 1) / n)[0] for i in range(n)]
    torch.testing.assert_close(cell_means(n), torch.tensor(cells, dtype=torch.float64), rtol=1e-7, atol=1e-9)
    edges = torch.from_numpy(stats.norm.ppf([i / n for i in range(n + 1)]))
    torch.testing.assert_close(cell_edges(n), edges, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 64, 5000])
def test_order_statistics_have_the_known_moments(n):
    mean = torch.cat([(z * w).sum(1) for _, z, w in order_quadrature(n)])
    square = torch.cat([(z.square() * w).sum(1) for _, z, w in order_quadrature(n)])
    middle = square[-1] * (n % 2)
    assert float(2 * square.sum() - middle) == pytest.approx(n, rel=1e-12)  # Σ E Z_(i)² = n
    if n == 2:
        assert float(mean[0]) == pytest.approx(-1 / math.sqrt(math.pi), rel=1e-12)
    if n == 3:
        assert float(mean[0]) == pytest.approx(-1.5 / math.sqrt(math.pi), rel=1e-12)
    if n % 2:
        assert abs(float(mean[-1])) < 1e-12


# Wasserstein ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("p", [1, 2])
def test_wasserstein_is_the_quantile_integral(p, generator):
    x = sample(generator)
    u = (torch.arange(11 * 20_000, dtype=torch.float64) + 0.5) / (11 * 20_000)
    steps = x.sort(dim=1).values.repeat_interleave(20_000, dim=1)
    expected = (steps - torch.special.ndtri(u)).abs().pow(p).mean(1)
    value = Wasserstein1d(p, unbiased=False).against_normal(x)
    torch.testing.assert_close(value, expected, rtol=2e-5, atol=0)


def test_wasserstein_between_gaussians_in_the_limit():
    """Quantiles of N(m, s²): W₂² = m² + (s−1)², W₁ for a shift alone = |m|."""
    n = 20_000
    z = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)[None]
    assert float(Wasserstein1d(2).against_normal(1.5 * z + 0.7)) == pytest.approx(0.49 + 0.25, rel=2e-3)
    assert float(Wasserstein1d(1).against_normal(z + 0.7)) == pytest.approx(0.7, rel=2e-2)


@pytest.mark.parametrize("n", [2, 7, 64])
@pytest.mark.parametrize("p", [1, 2])
def test_wasserstein_null_mean_is_removed(n, p, generator):
    x = torch.randn(20_000, n, generator=generator, dtype=torch.float64)
    values = Wasserstein1d(p).against_normal(x)
    assert abs(float(values.mean())) < 3.5 * float(values.std()) / math.sqrt(len(x))
    distances = Wasserstein1d(p, unbiased=False).against_normal(x)
    assert float(distances.min()) > 0


def test_known_shrinkage_of_the_exact_cells():
    assert shrinkage(64) == pytest.approx(0.977, abs=5e-4)
    assert shrinkage(2) == pytest.approx(2 / math.pi / math.sqrt(2), rel=1e-12)
    assert 0.999 < shrinkage(10_000) < 1
    assert 0 < null_mean_w1(1000) < null_mean_w1(10)


@pytest.mark.parametrize("unbiased", [True, False])
def test_wasserstein_against_draws_is_that_of_sorted_samples(unbiased, generator):
    x, y = sample(generator), sample(generator, n=22)
    first, second = (half.sort(dim=1).values for half in y.split(11, dim=1))
    ordered = x.sort(dim=1).values
    w1 = Wasserstein1d(1, unbiased).against_draws(x, y)
    null = (first - second).abs().mean(1) if unbiased else 0
    torch.testing.assert_close(w1, (ordered - first).abs().mean(1) - null)
    if not unbiased:
        torch.testing.assert_close(Wasserstein1d(2, False).against_draws(x, y), (ordered - first).square().mean(1))


def test_wasserstein_against_draws_is_centred_and_does_not_shrink(generator):
    """Also for a law far from the origin, where only the spread may be rescaled."""
    n, k, slopes, values = 12, 64, [], []
    for _ in range(400):
        x, y = (3 + torch.randn(k, m, generator=generator, dtype=torch.float64) for m in (n, 2 * n))
        scale = torch.ones((), dtype=torch.float64, requires_grad=True)
        value = Wasserstein1d().against_draws(3 + scale * (x - 3), y).mean()
        slopes.append(torch.autograd.grad(value, scale)[0])
        values.append(value.detach())
    for numbers in (torch.stack(slopes), torch.stack(values)):
        assert abs(float(numbers.mean())) < 4 * float(numbers.std()) / 20


def test_other_orders_are_refused():
    with pytest.raises(ConfigError, match="p=3"):
        Wasserstein1d(3)


# Epps–Pulley ------------------------------------------------------------------------------------------------------
def epps_pulley_pairs(x, gamma, unbiased):
    n = x.shape[1]
    pairs = torch.exp(-(x[:, :, None] - x[:, None]).square() / (4 * gamma)).sum((1, 2))
    pairs = (pairs - n) / (n * (n - 1)) if unbiased else pairs / n**2
    cross = torch.exp(-x.square() / (4 * gamma + 2)).mean(1)
    return (
        math.sqrt(math.pi / gamma) * pairs
        - 2 * math.sqrt(math.pi / (gamma + 0.5)) * cross
        + math.sqrt(math.pi / (1 + gamma))
    )


@pytest.mark.parametrize("gamma", [0.05, 0.5, 3])
@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("scale", [0.0, 1.0, 15.0])
def test_epps_pulley_integral_is_exact(gamma, unbiased, scale, generator):
    x = (scale * sample(generator)).requires_grad_()
    value = EppsPulley(gamma, unbiased).against_normal(x)
    expected = epps_pulley_pairs(x, gamma, unbiased)
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-12)
    got, wanted = (torch.autograd.grad(v.sum(), x)[0] for v in (value, expected))
    torch.testing.assert_close(got, wanted, rtol=1e-7, atol=1e-11)
    single = EppsPulley(gamma, unbiased).against_normal(x.detach().float())
    torch.testing.assert_close(single.double(), expected.detach(), rtol=1e-5, atol=2e-6)


def test_epps_pulley_does_not_alias():
    """On a fixed grid of step Δ an outlier at 2π/Δ would score as if it were at 0."""
    gamma = 0.5
    for far in (10.0, 33.5, 2 * math.pi / 0.4, 400.0):
        x = torch.zeros(1, 10, dtype=torch.float64)
        x[0, 0] = far
        expected = epps_pulley_pairs(x, gamma, True)
        torch.testing.assert_close(EppsPulley(gamma).against_normal(x), expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("far", [1e2, 1e3, 1e4, 1e6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_epps_pulley_is_exact_with_outliers(far, unbiased, dtype, generator):
    x = (2 * torch.randn(4, 40, generator=generator, dtype=torch.float64)).to(dtype)
    x[1:, 0] = far
    x[2, 1] = far + 0.5  # a pair that feels each other, and only each other
    x[3, 1:3] = torch.tensor([-far, 3 * far])
    x.requires_grad_()
    value = EppsPulley(0.5, unbiased).against_normal(x)
    (gradient,) = torch.autograd.grad(value.sum(), x)
    exact = x.detach().double().requires_grad_()
    expected = epps_pulley_pairs(exact, 0.5, unbiased)
    (expected_gradient,) = torch.autograd.grad(expected.sum(), exact)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(value.double(), expected, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(gradient.double(), expected_gradient, rtol=tolerance, atol=tolerance)
    assert float(gradient[1, 1:].abs().max()) > 1e-3


def test_epps_pulley_of_samples_all_far_apart(generator):
    x = (1e4 * torch.randn(2, 50, generator=generator, dtype=torch.float64)).requires_grad_()
    value = EppsPulley(unbiased=False).against_normal(x)
    torch.testing.assert_close(value, epps_pulley_pairs(x, 0.5, False), rtol=1e-12, atol=1e-12)
    assert torch.isnan(EppsPulley().against_normal(torch.tensor([[0.0, 1.0, torch.inf], [0.0, 1.0, torch.nan]]))).all()


@pytest.mark.parametrize("far", [1e3, 1e6])
def test_epps_pulley_against_draws_is_exact_with_outliers(far, generator):
    x = torch.randn(3, 20, generator=generator, dtype=torch.float64)
    x[:, 0] = far
    y = torch.randn(3, 40, generator=generator, dtype=torch.float64)
    x.requires_grad_()

    def kernel(a, b):
        return math.sqrt(math.pi / 0.5) * torch.exp(-(a[:, :, None] - b[:, None]).square() / 2)

    expected = kernel(x, x).mean((1, 2)) - 2 * kernel(x, y).mean((1, 2)) + kernel(y, y).mean((1, 2))
    value = EppsPulley(0.5, unbiased=False).against_draws(x, y)
    torch.testing.assert_close(value, expected, rtol=1e-11, atol=1e-12)
    found, wanted = (torch.autograd.grad(v.sum(), x)[0] for v in (value, expected))
    torch.testing.assert_close(found, wanted, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("unbiased", [True, False])
def test_epps_pulley_against_draws_is_a_two_sample_kernel_distance(unbiased, generator):
    gamma = 0.5
    x, y = sample(generator), sample(generator, n=22)

    def mean(a, b, same):
        k = torch.exp(-(a[:, :, None] - b[:, None]).square() / (4 * gamma))
        n = a.shape[1]
        return (k.sum((1, 2)) - n) / (n * (n - 1)) if same and unbiased else k.mean((1, 2))

    expected = math.sqrt(math.pi / gamma) * (mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False))
    value = EppsPulley(gamma, unbiased).against_draws(x, y)
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-12)


def test_blocks_of_slices_are_put_together_in_order(generator):
    x = torch.randn(9, 8000, generator=generator, dtype=torch.float64)  # several blocks of slices
    y = torch.randn(9, 16_000, generator=generator, dtype=torch.float64)
    statistic = EppsPulley()
    for whole, part in (
        (statistic.against_normal(x), lambda i: statistic.against_normal(x[i : i + 1])),
        (statistic.against_draws(x, y), lambda i: statistic.against_draws(x[i : i + 1], y[i : i + 1])),
    ):
        torch.testing.assert_close(whole, torch.cat([part(i) for i in range(9)]), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("unbiased", [True, False])
def test_fixed_grid_is_the_quadrature_of_sigreg(unbiased, generator):
    """As in the LeJEPA reference code: 17 nodes on [0, 3], weights 2Δ and Δ at both ends, window e^{−t²/2}."""
    x, n = sample(generator).requires_grad_(), 11
    t = torch.linspace(0, 3, 17, dtype=torch.float64)
    weight = torch.full_like(t, 2 * 3 / 16)
    weight[[0, -1]] = 3 / 16
    angle, phi = x[..., None] * t, torch.exp(-t.square() / 2)
    real, imaginary = angle.cos().mean(1), angle.sin().mean(1)
    square = real.square() + imaginary.square()
    if unbiased:
        square = (n * square - 1) / (n - 1)
    expected = ((square - 2 * real * phi + phi.square()) * phi) @ weight
    value = EppsPulley(unbiased=unbiased, nodes=17).against_normal(x)
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-13)
    got, wanted = (torch.autograd.grad(v.sum(), x)[0] for v in (value, expected))
    torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-12)


def test_fixed_grid_aliases_and_a_fine_one_converges(generator):
    x = torch.zeros(1, 10, dtype=torch.float64)
    there = EppsPulley(nodes=17).against_normal(x)
    x[0, 0] = 2 * math.pi * 16 / 3
    torch.testing.assert_close(EppsPulley(nodes=17).against_normal(x), there, rtol=1e-9, atol=0)
    x = sample(generator)
    torch.testing.assert_close(
        EppsPulley(nodes=200, reach=9).against_normal(x), EppsPulley().against_normal(x), rtol=1e-9, atol=1e-12
    )


def test_fixed_grid_is_centred_under_the_prior(generator):
    values = EppsPulley(nodes=17).against_normal(torch.randn(10_000, 8, generator=generator))
    assert abs(float(values.mean())) < 3.5 * float(values.std()) / 100


@pytest.mark.parametrize("grid", [{"nodes": 1}, {"nodes": 17, "reach": 0}])
def test_bad_grids_are_refused(grid):
    with pytest.raises(ConfigError, match="nodes"):
        EppsPulley(**grid)


def test_bad_weight_is_refused():
    with pytest.raises(ConfigError, match="gamma"):
        EppsPulley(0)


# slicing ----------------------------------------------------------------------------------------------------------
def test_it_is_the_mean_over_given_directions(generator):
    z = torch.randn(30, 3, generator=generator)
    v = torch.nn.functional.normalize(torch.randn(5, 3, generator=generator), dim=1)
    statistic = Wasserstein1d()
    each = [statistic.against_normal((z @ row)[None]) for row in v]
    value = Sliced(statistic, directions=v)(z, StandardNormal(3))
    torch.testing.assert_close(value, torch.cat(each).mean())


def test_random_directions_are_uniform_unit_vectors_in_both_precisions():
    sliced = Sliced(Wasserstein1d(), directions=20_000)
    single, double = (
        sliced.draw_directions(torch.zeros(1, 3, dtype=dtype), torch.Generator().manual_seed(0))
        for dtype in (torch.float32, torch.float64)
    )
    torch.testing.assert_close(double.norm(dim=1), torch.ones(20_000, dtype=torch.float64))
    torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(double.T @ double / 20_000, torch.eye(3).double() / 3, rtol=0, atol=0.01)


@pytest.mark.parametrize(("count", "d"), [(3, 3), (7, 3), (2, 5), (4, 1)])
def test_orthonormal_directions_are_the_axes_of_rotations(count, d, generator):
    sliced = Sliced(Wasserstein1d(), directions=count, orthonormal=True)
    v = sliced.draw_directions(torch.zeros(1, d, dtype=torch.float64), generator)
    assert v.shape == (count, d)
    for block in v.split(d):
        torch.testing.assert_close(block @ block.T, torch.eye(len(block), dtype=torch.float64))


def test_orthonormal_directions_are_uniform_and_less_noisy(generator):
    z, prior = torch.randn(100, 4, generator=generator) * torch.tensor([1.0, 1.0, 1.0, 3.0]), StandardNormal(4)
    v = Sliced(Wasserstein1d(), directions=20_000, orthonormal=True).draw_directions(z, generator)
    torch.testing.assert_close(v.T @ v / 20_000, torch.eye(4) / 4, rtol=0, atol=1e-5)  # exactly
    assert v.mean(0).abs().max() < 0.02
    values = [
        torch.stack([Sliced(Wasserstein1d(), 4, orthonormal)(z, prior, generator=generator) for _ in range(300)])
        for orthonormal in (False, True)
    ]
    loose, tight = values
    assert tight.std() < 0.5 * loose.std()
    assert abs(float(tight.mean() - loose.mean())) < 4 * float(loose.std()) / math.sqrt(300)


def test_given_directions_are_not_drawn_orthonormal():
    with pytest.raises(ConfigError, match="orthonormal"):
        Sliced(Wasserstein1d(), directions=torch.eye(2), orthonormal=True)


def test_slices_of_the_mixture_vanish_for_its_own_draws(generator):
    prior = GaussianMixture(torch.tensor([[-3.0, 0.0], [3.0, 1.0]]), stds=0.3)
    z = prior.sample(400, generator=generator)
    for statistic in (Wasserstein1d(), EppsPulley()):
        divergence = Sliced(statistic, directions=20)
        own = abs(float(divergence(z, prior, generator=generator)))
        assert own < 0.1 * float(divergence(torch.randn(400, 2, generator=generator), prior, generator=generator))


@pytest.mark.parametrize("directions", [0, torch.ones(2, 2), torch.ones(3)])
def test_bad_directions_are_refused(directions):
    with pytest.raises(ConfigError, match="direction"):
        Sliced(EppsPulley(), directions=directions)


def test_directions_of_another_dimension_are_refused():
    with pytest.raises(CapabilityError, match="d=3"):
        Sliced(EppsPulley(), directions=torch.eye(3))(torch.zeros(4, 2), StandardNormal(2))
