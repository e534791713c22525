"""Cramér–Wold: against the integral that defines it, the paper's formula, its null variance, SIGReg."""

from __future__ import annotations

import math

import pytest
import torch

from lather.divergences import CramerWold, EppsPulley, Sliced
from lather.divergences.cramer_wold import _slice_fit
from lather.divergences.special import slice_transform
from lather.errors import CapabilityError, ConfigError
from lather.priors import GaussianMixture, StandardNormal


def from_formula(z, gamma, phi):
    d = z.shape[1]
    pairs = (z[:, None] - z[None]).square().sum(-1)
    inner = gamma**-0.5 * phi(pairs / (4 * gamma), d).mean() + (1 + gamma) ** -0.5
    cross = (gamma + 0.5) ** -0.5 * phi(z.square().sum(1) / (2 + 4 * gamma), d).mean()
    return (inner - 2 * cross) / (2 * math.sqrt(math.pi))


@pytest.mark.parametrize("d", [1, 2, 3, 20])
@pytest.mark.parametrize("gamma", [None, 0.5])
def test_value_is_the_papers_formula_with_the_exact_kernel(d, gamma, generator):
    z = torch.randn(25, d, generator=generator, dtype=torch.float64) * 1.2
    value = CramerWold(gamma, unbiased=False)(z, StandardNormal(d))
    g = (4 / (3 * 25)) ** 0.4 if gamma is None else gamma
    torch.testing.assert_close(value, from_formula(z, g, slice_transform), rtol=1e-9, atol=0)


def test_approximation_is_the_papers(generator):
    z = torch.randn(25, 8, generator=generator, dtype=torch.float64) * 1.2
    value = CramerWold(exact=False, unbiased=False)(z, StandardNormal(8))
    expected = from_formula(z, (4 / (3 * 25)) ** 0.4, lambda s, d: (1 + 4 * s / (2 * d - 3)) ** -0.5)
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=0)


def test_it_is_the_integral_over_slices_of_smoothed_densities():
    """d = 2: directions are an angle, so the definition itself can be integrated."""
    gamma, n = 0.3, 6
    z = torch.randn(n, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64) + 0.4
    angles = torch.arange(400, dtype=torch.float64) * math.pi / 400
    x = torch.stack([angles.cos(), angles.sin()], 1) @ z.T  # (angles, n)
    t = torch.linspace(-12, 12, 2401, dtype=torch.float64)

    def normal(t, variance):
        return torch.exp(-t.square() / (2 * variance)) / math.sqrt(2 * math.pi * variance)

    smoothed = normal(t - x[..., None], gamma).mean(1)
    distance = torch.trapezoid((smoothed - normal(t, 1 + gamma)).square(), t, dim=1).mean()
    value = CramerWold(gamma, unbiased=False)(z, StandardNormal(2))
    torch.testing.assert_close(value, distance, rtol=1e-9, atol=0)


def test_epps_pulley_over_all_slices_is_two_pi_times_it(generator):
    gamma, d, k = 0.5, 6, 20_000
    z = torch.randn(30, d, generator=generator, dtype=torch.float64) * 1.3
    exact = 2 * math.pi * CramerWold(gamma)(z, StandardNormal(d))
    v = torch.nn.functional.normalize(torch.randn(k, d, generator=generator, dtype=torch.float64), dim=1)
    slices = EppsPulley(gamma).against_normal(v @ z.T)
    error = float(slices.std()) / math.sqrt(k)
    assert abs(float(slices.mean() - exact)) < 3.5 * error
    assert error < 0.02 * float(exact)


def test_epps_pulley_over_all_slices_of_the_plane_is_two_pi_times_it(generator):
    angles = torch.arange(200, dtype=torch.float64) * math.pi / 200
    v = torch.stack([angles.cos(), angles.sin()], 1)
    z = torch.randn(30, 2, generator=generator, dtype=torch.float64) * 1.3
    sigreg = Sliced(EppsPulley(0.5), directions=v)(z, StandardNormal(2))
    torch.testing.assert_close(sigreg, 2 * math.pi * CramerWold(0.5)(z, StandardNormal(2)), rtol=1e-9, atol=0)


@pytest.mark.parametrize(("gamma", "d"), [(None, 1), (None, 2), (0.5, 8), (0.05, 64)])
def test_null_variance_is_that_of_the_centred_kernel(gamma, d, generator):
    n, divergence = 50, CramerWold(gamma)
    g = divergence.smoothing(n)
    x, y = torch.randn(2, 200_000, d, generator=generator, dtype=torch.float64)
    phi = slice_transform if d == 1 else lambda s, d: _slice_fit(d, True, 1e-12)(s)[0]
    k = phi((x - y).square().sum(1) / (4 * g), d) * g**-0.5
    sides = [phi(side.square().sum(1) / (2 + 4 * g), d) * (g + 0.5) ** -0.5 for side in (x, y)]
    centred = (k - sides[0] - sides[1] + (1 + g) ** -0.5) / (2 * math.sqrt(math.pi))
    expected = 2 * float(centred.square().mean()) / (n * (n - 1))
    assert divergence.null_variance(n, d) == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("divergence", [CramerWold(exact=False), CramerWold(unbiased=False)])
def test_null_variance_is_refused_where_unknown(divergence):
    with pytest.raises(ConfigError, match="null variance"):
        divergence.null_variance(10, 2)


def test_biased_form_is_minimal_where_the_formula_says(generator):
    """V-form: s² = (γ(1−c) + ½)/(c − ½), c = (1 − 1/n)^(−2/3), in one dimension and so for all slices."""
    n = 16
    c = (1 - 1 / n) ** (-2 / 3)
    divergence, prior = CramerWold(0.5, unbiased=False), StandardNormal(3)
    best = math.sqrt((0.5 * (1 - c) + 0.5) / (c - 0.5))
    scale = torch.tensor(best, dtype=torch.float64, requires_grad=True)
    slopes = []
    for _ in range(200):
        z = torch.randn(n, 3, generator=generator, dtype=torch.float64)
        slopes.append(torch.autograd.grad(divergence(scale * z, prior), scale)[0])
    slopes = torch.stack(slopes)
    assert best < 0.97
    assert abs(float(slopes.mean())) < 3.5 * float(slopes.std()) / math.sqrt(200)


def test_between_gaussians_it_is_the_closed_form():
    """Samples of N(m, a I) against N(0, I): ⟨N(m,a), N(m',b)⟩ = (2π(a+b+2γ))^{−½} φ_d(‖m−m'‖²/2(a+b+2γ))."""
    d, g, a = 3, 0.5, 0.3
    m = torch.tensor([1.0, 0.5, 0.0], dtype=torch.float64)

    def inner(a, b, squared):
        total = a + b + 2 * g
        phi = slice_transform(torch.tensor(squared / (2 * total), dtype=torch.float64), d)
        return float(phi) / math.sqrt(2 * math.pi * total)

    expected = inner(a, a, 0.0) + inner(1, 1, 0.0) - 2 * inner(a, 1, float(m.square().sum()))
    generator, values = torch.Generator().manual_seed(1), []
    for _ in range(60):
        z = m + math.sqrt(a) * torch.randn(60, d, generator=generator, dtype=torch.float64)
        values.append(float(CramerWold(g)(z, StandardNormal(d))))
    values = torch.tensor(values)
    assert abs(float(values.mean()) - expected) < 3.5 * float(values.std()) / math.sqrt(60)
    prior = GaussianMixture(m[None].float(), stds=math.sqrt(a))
    z = prior.sample(200, generator=generator)
    assert abs(float(CramerWold(g)(z, prior, generator=generator))) < 0.05 * expected


def test_bad_settings_are_refused():
    with pytest.raises(ConfigError, match="gamma"):
        CramerWold(gamma=0.0)
    with pytest.raises(CapabilityError, match="exact=True"):
        CramerWold(exact=False)(torch.zeros(4, 1), StandardNormal(1))
