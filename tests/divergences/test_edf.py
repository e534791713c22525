"""Statistics of the distribution function and the Cramér distance, on slices."""

from __future__ import annotations

import math

import pytest
import torch

from lather.divergences import (
    AndersonDarling,
    Cramer,
    CramerVonMises,
    Energy,
    KolmogorovSmirnov,
    Sliced,
    Watson,
)
from lather.divergences.edf import null_mean_ks
from lather.divergences.special import gamma_ratio
from lather.errors import CapabilityError
from lather.priors import GaussianMixture, StandardNormal, UniformCube

STATISTICS = [CramerVonMises, Watson, AndersonDarling, KolmogorovSmirnov]
NULL_MEAN = {CramerVonMises: 1 / 6, Watson: 1 / 12, AndersonDarling: 1.0}


def sample(generator, k=3, n=11):
    return torch.randn(k, n, generator=generator, dtype=torch.float64) * 1.4 + 0.3


def integral(statistic, x, count=400_000):
    """The defining integral over u = F on a fine midpoint grid."""
    t = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    u = torch.special.ndtr(x).sort().values
    gap = torch.searchsorted(u, t, right=True) / len(u) - t
    if statistic is KolmogorovSmirnov:
        return gap.abs().max()
    if statistic is Watson:
        return (gap - gap.mean()).square().mean()
    return (gap.square() / (t * (1 - t) if statistic is AndersonDarling else 1)).mean()


@pytest.mark.parametrize("statistic", STATISTICS)
def test_it_is_the_defining_integral(statistic, generator):
    x = sample(generator)
    value = statistic(unbiased=False).against_normal(x)
    expected = torch.stack([integral(statistic, row) for row in x])
    torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)


def test_agreement_with_scipy(generator):
    from scipy import stats

    x = sample(generator, k=1, n=40)
    row = x[0].numpy()
    ks, cvm = stats.kstest(row, "norm").statistic, stats.cramervonmises(row, "norm").statistic
    assert float(KolmogorovSmirnov(unbiased=False).against_normal(x)) == pytest.approx(ks, rel=1e-12)
    assert 40 * float(CramerVonMises(unbiased=False).against_normal(x)) == pytest.approx(cvm, rel=1e-12)


@pytest.mark.parametrize("n", [2, 7, 64])
@pytest.mark.parametrize("statistic", [*STATISTICS, Cramer])
def test_null_means_are_exact(statistic, n, generator):
    x = torch.randn(10_000, n, generator=generator, dtype=torch.float64)
    error = 3.5 / 100
    values = statistic().against_normal(x)
    assert abs(float(values.mean())) < error * float(values.std())
    distances = statistic(unbiased=False).against_normal(x)
    assert float(distances.min()) > 0
    if statistic in NULL_MEAN:
        assert abs(float(distances.mean()) - NULL_MEAN[statistic] / n) < error * float(distances.std())


@pytest.mark.parametrize("statistic", [CramerVonMises, Watson, AndersonDarling])
def test_unbiased_form_has_the_population_value_as_expectation(statistic, generator):
    """For samples from N(0.5, 1.5²), at small n, that of a very large sample."""
    draws = 0.5 + 1.5 * torch.randn(1, 200_000, generator=generator, dtype=torch.float64)
    values = statistic().against_normal(draws.reshape(-1, 5))
    limit = float(statistic(unbiased=False).against_normal(draws))
    assert float(values.mean()) == pytest.approx(limit, rel=0.05)


def test_known_null_mean_of_kolmogorov_smirnov():
    from scipy import stats

    assert null_mean_ks(1) == pytest.approx(0.75, rel=1e-6)
    assert null_mean_ks(2) == pytest.approx(13 / 24, rel=1e-6)
    for n in (256, 300):  # both sides of the change of formula
        gaps = (torch.arange(400, dtype=torch.float64).numpy() + 0.5) * (0.3 / 400)
        assert null_mean_ks(n) == pytest.approx(float(stats.kstwo.sf(gaps, n).mean()) * 0.3, rel=3e-5)


def test_anderson_darling_stays_finite_far_out():
    x = torch.tensor([[-60.0, 50.0, 60.0]], requires_grad=True)
    for unbiased, outermost in ((True, 0.0), (False, 60 / 9)):
        value = AndersonDarling(unbiased).against_normal(x)
        (gradient,) = torch.autograd.grad(value.sum(), x)
        assert torch.isfinite(value).all()
        assert float(gradient[0, 1]) > 10  # the second from outside is pulled in both forms
        assert float(gradient[0, 2]) == pytest.approx(outermost, abs=0.01)


def test_watson_does_not_depend_on_where_the_circle_is_cut(generator):
    u = torch.rand(4, 9, generator=generator, dtype=torch.float64)
    turned = (u + 0.37) % 1
    watson = Watson()
    torch.testing.assert_close(
        watson.against_normal(torch.special.ndtri(u)), watson.against_normal(torch.special.ndtri(turned))
    )


@pytest.mark.parametrize("statistic", STATISTICS)
def test_slices_of_a_mixture_are_compared_with_their_own_laws(statistic, generator):
    prior = GaussianMixture(torch.tensor([[-3.0, 0.0], [3.0, 1.0]]), stds=0.3)
    divergence = Sliced(statistic(), directions=20)
    assert divergence.needs(prior) == "closed form"
    own = abs(float(divergence(prior.sample(400, generator=generator), prior, generator=generator)))
    assert own < 0.1 * float(divergence(torch.randn(400, 2, generator=generator), prior, generator=generator))
    one = GaussianMixture(torch.zeros(1, 2), stds=1.0)
    z = torch.randn(30, 2, generator=generator, dtype=torch.float64)
    values = [divergence(z, p, generator=torch.Generator().manual_seed(1)) for p in (one, StandardNormal(2))]
    torch.testing.assert_close(*values, rtol=1e-6, atol=1e-8)


def test_a_prior_without_laws_of_slices_is_refused():
    with pytest.raises(CapabilityError, match="Cramer"):
        Sliced(Watson())(torch.zeros(4, 2), UniformCube(2))


# Cramér -----------------------------------------------------------------------------------------------------------
def test_cramer_is_the_integral_of_the_squared_gap(generator):
    x = sample(generator)
    t = torch.linspace(-12, 12, 1_000_001, dtype=torch.float64)
    gaps = [(torch.searchsorted(row.sort().values, t) / 11 - torch.special.ndtr(t)).square() for row in x]
    expected = torch.stack([gap.mean() * 24 for gap in gaps])
    torch.testing.assert_close(Cramer(unbiased=False).against_normal(x), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("unbiased", [True, False])
def test_cramer_against_draws_is_half_the_energy_distance(unbiased, generator):
    x, y = sample(generator), sample(generator, n=22)

    def mean(a, b, same):
        gaps = (a[:, :, None] - b[:, None]).abs().sum((1, 2))
        n, m = a.shape[1], b.shape[1]
        return gaps / (n * (n - 1)) if same and unbiased else gaps / (n * m)

    expected = mean(x, y, False) - mean(x, x, True) / 2 - mean(y, y, True) / 2
    torch.testing.assert_close(Cramer(unbiased).against_draws(x, y), expected)


@pytest.mark.parametrize("d", [1, 2, 8])
def test_over_all_slices_it_is_the_energy_distance(d, generator):
    """E_v ∫(F_v − Φ)² = (c_d/2) × energy, c_d = Γ(d/2)/(√π Γ((d+1)/2))."""
    z = 1.3 * torch.randn(40, d, generator=generator, dtype=torch.float64) + 0.2
    prior = StandardNormal(d)
    parts = [Sliced(Cramer(), directions=4000)(z, prior, generator=generator) for _ in range(8)]
    values = torch.stack(parts)
    expected = float(Energy()(z, prior)) / (2 * math.sqrt(math.pi) * gamma_ratio(d))
    error = float(values.std()) / math.sqrt(8)
    assert abs(float(values.mean()) - expected) < max(4 * error, 1e-9)
    assert error < 0.02 * expected
