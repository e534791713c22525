"""Radii and pair distances against their laws."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Chi2, Gamma

from lather.divergences import DistanceCDF, RadiusCDF, distance_cdf
from lather.divergences.empirical_law import EmpiricalLaw
from lather.divergences.tabulated_law import TabulatedLaw
from lather.errors import CapabilityError
from lather.priors import Prior, StandardNormal, UniformCube, UniformSphere


def gap(squared, cdf):
    """mean (F(q_(k)) − (k − ½)/m)² with scipy, in a loop."""
    values = sorted(float(q) for q in squared)
    m = len(values)
    return sum((cdf(q) - (k + 0.5) / m) ** 2 for k, q in enumerate(values)) / m


@pytest.mark.parametrize("d", [1, 2, 7])
def test_values_are_those_of_the_formula(d, generator):
    from scipy import stats

    z = torch.randn(25, d, generator=generator, dtype=torch.float64) * 1.2
    prior = StandardNormal(d)
    radius = gap(z.square().sum(1), lambda q: stats.chi2.cdf(q, d))
    assert float(RadiusCDF()(z, prior)) == pytest.approx(radius, rel=1e-9)
    distance = gap(torch.pdist(z).square(), lambda q: stats.chi2.cdf(q / 2, d))
    assert float(DistanceCDF()(z, prior)) == pytest.approx(distance, rel=1e-8)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("rows", [1, 8])
def test_a_latent_at_the_origin_has_gradient_zero(rows, d, generator):
    z = torch.randn(8, d, generator=generator)
    z[:rows] = 0.0
    z.requires_grad_()
    RadiusCDF()(z, StandardNormal(d)).backward()
    assert torch.equal(z.grad[:rows], torch.zeros(rows, d))
    assert torch.isfinite(z.grad).all()
    assert rows == 8 or float(z.grad.abs().max()) > 0


@pytest.mark.parametrize("prior", [StandardNormal(6), UniformCube(6)], ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1.0, 1.1, 0.2, 5.0])
def test_counting_agrees_with_sorting(prior, dtype, scale, generator, monkeypatch):
    z = (scale * torch.randn(420, 6, generator=generator, dtype=dtype)).requires_grad_()
    results = []
    for limit in (2**17, 10):
        monkeypatch.setattr(distance_cdf, "_SORTED_PAIRS", limit)
        monkeypatch.setattr(
            distance_cdf, "_reference_distances", lambda y: distance_cdf._pair_distances(y)
        )  # the same law for both
        value = DistanceCDF()(z, prior, generator=torch.Generator().manual_seed(2))
        results.append((value.detach(), torch.autograd.grad(value, z)[0]))
    (value, gradient), (counted, counted_gradient) = results
    torch.testing.assert_close(counted, value, rtol=1e-4, atol=1e-8)
    tolerance = 2e-3 if prior.standard else 3e-2  # an interpolated law has kinks, which bins smooth over
    assert float((counted_gradient - gradient).norm()) < tolerance * float(gradient.norm()) + 1e-12


def test_cyclic_shifts_stand_for_all_pairs(generator, monkeypatch):
    y = torch.randn(300, 4, generator=generator, dtype=torch.float64)
    monkeypatch.setattr(distance_cdf, "_SORTED_PAIRS", 3000)
    some = distance_cdf._reference_distances(y)
    assert len(some) == 3000
    assert float(some.mean()) == pytest.approx(8.0, rel=0.05)


def test_rotations_do_not_matter(generator):
    z = torch.randn(30, 4, generator=generator, dtype=torch.float64)
    q, _ = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64))
    for divergence in (RadiusCDF(), DistanceCDF()):
        prior = StandardNormal(4)
        torch.testing.assert_close(divergence(z @ q, prior), divergence(z, prior), rtol=1e-9, atol=0)


def test_radius_of_a_sphere_is_refused_and_its_distances_are_not(generator):
    prior = UniformSphere(4)
    with pytest.raises(CapabilityError, match=r"constant.*DistanceCDF"):
        RadiusCDF()(torch.zeros(4, 4), prior)
    z = prior.sample(100, generator=generator)
    assert float(DistanceCDF()(z, prior, generator=generator)) < 1e-2


class Scaled(Prior):
    """N(0, 4 I): a prior other than the standard normal that knows its laws."""

    d = 3

    def squared_radius(self):
        return Gamma(torch.tensor(1.5), torch.tensor(0.125), validate_args=False)

    def squared_distance(self):
        return Gamma(torch.tensor(1.5), torch.tensor(0.0625), validate_args=False)


def test_known_laws_of_other_priors_are_used(generator):
    z = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    for divergence in (RadiusCDF(), DistanceCDF()):
        assert divergence.needs(Scaled()) == "closed form"
        torch.testing.assert_close(divergence(2 * z, Scaled()), divergence(z, StandardNormal(3)), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("d", [1, 2, 64, 4096])
def test_tabulated_law_is_the_law(d):
    law = Chi2(torch.tensor(float(d), dtype=torch.float64), validate_args=False)
    table = TabulatedLaw(law, torch.device("cpu"))
    q = torch.linspace(0, 1, 3001, dtype=torch.float64)[1:] * (d + 12 * (2 * d) ** 0.5 + 20)
    q.requires_grad_()
    torch.testing.assert_close(table.cdf(q), law.cdf(q), rtol=0, atol=1e-9)
    got, wanted = (torch.autograd.grad(f.cdf(q).sum(), q)[0] for f in (table, law))
    assert float((got - wanted).abs().max()) < 1e-6 * float(wanted.max())


def test_empirical_law_interpolates_and_is_flat_beyond(generator):
    draws = torch.randn(6400, generator=generator, dtype=torch.float64)
    law = EmpiricalLaw(draws)
    ordered = draws.sort().values
    positions = (torch.arange(6400, dtype=torch.float64) + 0.5) / 6400
    torch.testing.assert_close(law.cdf(ordered), positions, rtol=0, atol=4e-3)
    assert law.cdf(torch.tensor([-99.0, 99.0], dtype=torch.float64)).tolist() == [0.0, 1.0]
    x = torch.tensor([-1.3, 0.3, 0.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(law.cdf, (x,))


def test_empirical_law_has_a_density_worth_following(generator):
    law = EmpiricalLaw(torch.randn(8192, generator=generator, dtype=torch.float64))
    x = torch.linspace(-2, 2, 41, dtype=torch.float64, requires_grad=True)
    (density,) = torch.autograd.grad(law.cdf(x).sum(), x)
    true = torch.exp(-x.detach().square() / 2) / (2 * torch.pi) ** 0.5
    assert float((density / true - 1).square().mean().sqrt()) < 0.3
