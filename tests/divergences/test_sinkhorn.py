"""The Sinkhorn divergence; its own tests, since GeomLoss is optional."""

from __future__ import annotations

import sys

import pytest
import torch

from lather.divergences import Sinkhorn
from lather.errors import CapabilityError, ConfigError, MissingExtraError
from lather.priors import StandardNormal, UniformCube


def seeded():
    return torch.Generator().manual_seed(3)


def test_small_blur_is_half_the_squared_transport_distance_of_sorted_samples(generator):
    pytest.importorskip("geomloss")
    z, prior = 1.5 * torch.randn(40, 1, generator=generator, dtype=torch.float64), StandardNormal(1)
    y = prior.sample(40, generator=seeded()).double()
    expected = (z.sort(dim=0).values - y.sort(dim=0).values).square().mean() / 2
    value = Sinkhorn(blur=0.02, scaling=0.95)(z, prior, generator=seeded())
    torch.testing.assert_close(value, expected, rtol=0.02, atol=1e-4)


def test_it_falls_by_its_gradient_and_is_differentiable_once(generator):
    pytest.importorskip("geomloss")
    z, prior = (torch.randn(30, 3, generator=generator) + 2).requires_grad_(), UniformCube(3)
    sinkhorn = Sinkhorn()
    value = sinkhorn(z, prior, generator=seeded())
    (gradient,) = torch.autograd.grad(value, z, create_graph=True)
    moved = (z - 10 * gradient).detach()
    assert sinkhorn(moved, prior, generator=seeded()) < 0.8 * value.detach()
    with pytest.raises(CapabilityError, match="second derivatives"):
        gradient.square().sum().backward()


def test_nan_comes_out_as_nan():
    pytest.importorskip("geomloss")
    assert torch.isnan(Sinkhorn()(torch.full((4, 2), torch.nan), StandardNormal(2)))


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "geomloss", None)
    with pytest.raises(MissingExtraError, match=r"lather\[sinkhorn\]"):
        Sinkhorn()(torch.zeros(4, 2), StandardNormal(2))


@pytest.mark.parametrize("settings", [{"blur": 0}, {"scaling": 1.0}])
def test_bad_settings_are_refused(settings):
    with pytest.raises(ConfigError, match="Sinkhorn"):
        Sinkhorn(**settings)
