"""Sums, multiples and logarithms."""

from __future__ import annotations

import math

import pytest
import torch

from lather.divergences import CramerWold, DistanceCDF, DivergenceSum, Energy, Log, RadiusCDF, Weighted
from lather.errors import CapabilityError, ConfigError
from lather.priors import StandardNormal, UniformCube, UniformSphere

Z = torch.randn(30, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 1.5
PRIOR = StandardNormal(3)


def test_sums_and_multiples_are_those_of_the_values():
    energy, radius = Energy()(Z, PRIOR), RadiusCDF()(Z, PRIOR)
    torch.testing.assert_close((Energy() + 2 * RadiusCDF())(Z, PRIOR), energy + 2 * radius)
    torch.testing.assert_close((0.5 * (Energy() + RadiusCDF()))(Z, PRIOR), 0.5 * (energy + radius))
    torch.testing.assert_close(sum([Energy(), RadiusCDF()])(Z, PRIOR), energy + radius)
    assert (0 * Energy())(Z, PRIOR) == 0


def test_logarithm_is_that_of_the_non_negative_form():
    expected = CramerWold(unbiased=False)(Z, PRIOR).log()
    torch.testing.assert_close(CramerWold().log()(Z, PRIOR), expected)
    mixed = (Energy() + 3 * RadiusCDF()).log()
    expected = (Energy(unbiased=False)(Z, PRIOR) + 3 * RadiusCDF()(Z, PRIOR)).log()
    torch.testing.assert_close(mixed(Z, PRIOR), expected)


def test_logarithm_is_finite_where_the_unbiased_form_is_negative():
    for seed in range(20):
        z = PRIOR.sample(40, generator=torch.Generator().manual_seed(seed)).requires_grad_()
        value = CramerWold().log()(z, PRIOR)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize(
    ("divergence", "text"),
    [
        (0.5 * Energy() + CramerWold(gamma=0.5), "0.5 * Energy() + CramerWold(gamma=0.5)"),
        (2 * (Energy() + RadiusCDF()), "2.0 * (Energy() + RadiusCDF())"),
        (2 * (3 * Energy()), "6.0 * Energy()"),
        (Energy() + (RadiusCDF() + DistanceCDF()), "Energy() + RadiusCDF() + DistanceCDF()"),
        (2 * Energy().log(), "2.0 * Energy(unbiased=False).log()"),
        ((2 * Energy()).log(), "(2.0 * Energy(unbiased=False)).log()"),
        ((Energy() + RadiusCDF()).log(), "(Energy(unbiased=False) + RadiusCDF()).log()"),
    ],
)
def test_it_prints_as_algebra_that_builds_it(divergence, text):
    assert repr(divergence) == text
    names = {c.__name__: c for c in (CramerWold, DistanceCDF, Energy, RadiusCDF)}
    assert repr(eval(text, names)) == text


@pytest.mark.parametrize("weight", [-1.0, -1e-9, math.nan, math.inf])
def test_rewarding_mismatch_is_refused(weight):
    with pytest.raises(ConfigError, match="weight"):
        weight * Energy()


def test_nonsense_operands_are_type_errors():
    for operation in (lambda: Energy() + 1, lambda: 1 + Energy(), lambda: Energy() * "2", lambda: True * Energy()):
        with pytest.raises(TypeError):
            operation()


def test_logarithm_of_a_logarithm_is_refused():
    with pytest.raises(ConfigError, match="logarithm"):
        Energy().log().log()
    with pytest.raises(ConfigError, match="at least one"):
        DivergenceSum()


def test_what_a_part_cannot_do_the_whole_cannot():
    sphere = UniformSphere(3)
    for whole in (RadiusCDF() + Energy(), 2 * RadiusCDF(), RadiusCDF().log()):
        with pytest.raises(CapabilityError):
            whole.check(sphere)


def test_a_whole_needs_draws_if_a_part_does():
    cube = UniformCube(3)
    for whole in (RadiusCDF() + Energy(), Weighted(2, Energy()), Log(Energy())):
        assert whole.needs(PRIOR) == "closed form"
        assert whole.needs(cube) == "prior samples"


def test_it_follows_the_module_protocol():
    from lather.divergences import EppsPulley, Sliced

    whole = Energy() + 2 * Sliced(EppsPulley(), directions=torch.eye(3))
    assert whole.double()(Z, PRIOR).dtype == torch.float64
    assert list(whole.state_dict()) == []  # everything is in the configuration
