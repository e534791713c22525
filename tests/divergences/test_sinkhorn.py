"""The Sinkhorn divergence: limits with known values, GeomLoss as an independent solver, gradients at convergence."""

from __future__ import annotations

import pytest
import torch

from lather.divergences import Sinkhorn
from lather.errors import ConfigError
from lather.priors import Empirical, StandardNormal, UniformCube


def seeded():
    return torch.Generator().manual_seed(3)


def test_small_blur_is_half_the_squared_transport_distance_of_sorted_samples(generator):
    z, prior = 1.5 * torch.randn(40, 1, generator=generator, dtype=torch.float64), StandardNormal(1)
    y = prior.sample(40, generator=seeded()).double()
    expected = (z.sort(dim=0).values - y.sort(dim=0).values).square().mean() / 2
    value = Sinkhorn(blur=0.02)(z, prior, generator=seeded())
    torch.testing.assert_close(value, expected, rtol=0.02, atol=1e-4)


def test_large_blur_is_half_the_squared_distance_of_means(generator):
    z, prior = 1.5 * torch.randn(40, 3, generator=generator, dtype=torch.float64) + 1, StandardNormal(3)
    y = prior.sample(40, generator=seeded()).double()
    expected = (z.mean(0) - y.mean(0)).square().sum() / 2
    torch.testing.assert_close(Sinkhorn(blur=300.0)(z, prior, generator=seeded()), expected, rtol=1e-3, atol=0)


@pytest.mark.parametrize(("d", "blur"), [(2, 0.5), (8, 1.4), (8, 4.0)])
def test_the_same_as_geomloss_where_that_has_converged(d, blur, generator):
    geomloss = pytest.importorskip("geomloss")
    z, prior = 1.3 * torch.randn(50, d, generator=generator, dtype=torch.float64), UniformCube(d)
    y = prior.sample(50, generator=seeded()).double()
    reference = geomloss.SamplesLoss("sinkhorn", p=2, blur=blur, scaling=0.995, backend="tensorized")(z, y)
    value = Sinkhorn(blur=blur, tolerance=1e-9)(z, prior, generator=seeded())
    torch.testing.assert_close(value, reference, rtol=2e-3, atol=1e-6)


def test_the_plan_has_both_marginals_and_the_value_is_its_cost(generator):
    x, y = (torch.randn(30, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    value, plan = Sinkhorn(blur=0.7, tolerance=1e-10)._transport(x, y)
    for axis in (0, 1):
        torch.testing.assert_close(plan.sum(axis), torch.full((30,), 1 / 30, dtype=torch.float64))
    cost = torch.cdist(x, y).square() / 2
    entropy = (plan * (plan * 900).log()).sum()
    torch.testing.assert_close(value, (plan * cost).sum() + 0.49 * entropy)


@pytest.mark.parametrize("d", [2, 8])
def test_the_default_tolerance_gives_a_useful_gradient(d, generator):
    z, prior = (0.9 * torch.randn(128, d, generator=generator, dtype=torch.float64)).requires_grad_(), StandardNormal(d)
    rough, exact = (
        torch.autograd.grad(Sinkhorn(0.5 * d**0.5, tolerance=t)(z, prior, generator=seeded()), z)[0]
        for t in (Sinkhorn().tolerance, 1e-10)
    )
    assert (rough - exact).norm() < 0.01 * exact.norm()


def test_nothing_is_left_between_a_sample_and_itself(generator):
    z = torch.randn(30, 3, generator=generator, dtype=torch.float64)

    class Same(Empirical):
        def sample(self, n, *, generator=None):
            return self.z

    divergence = Sinkhorn(tolerance=1e-8)
    assert abs(divergence(z, Same(z))) < 1e-8
    assert divergence(z + 0.5, Same(z)) > 0.3


def test_nan_comes_out_as_nan():
    assert torch.isnan(Sinkhorn()(torch.full((4, 2), torch.nan), StandardNormal(2)))


@pytest.mark.parametrize("settings", [{"blur": 0}, {"tolerance": 0.0}, {"most": 0}])
def test_bad_settings_are_refused(settings):
    with pytest.raises(ConfigError, match="Sinkhorn"):
        Sinkhorn(**settings)
