"""Special functions and their fits against arbitrary-precision references."""

from __future__ import annotations

import math

import mpmath
import pytest
import torch
from torch.autograd import gradcheck

from lather.divergences.cramer_wold import _single_tolerance, _slice_fit
from lather.divergences.energy import _distance_fit
from lather.divergences.mmd import IMQKernel, _imq_fit
from lather.divergences.radial_fit import RadialFit
from lather.divergences.special import gamma_ratio, imq_mean, mean_distance, slice_transform

DIMENSIONS = (1, 2, 3, 8, 64, 1024, 4096)


def points(d: int) -> list[float]:
    return [0.0, 1e-6, 0.1, 1.0, 7.0, float(d), 100.0 * d, 1e6 * d]


def relative_error(values: torch.Tensor, reference: list[float]) -> float:
    expected = torch.tensor(reference, dtype=torch.float64)
    return float(((values - expected) / expected).abs().max())


@pytest.mark.parametrize("d", DIMENSIONS)
def test_slice_transform_is_the_confluent_hypergeometric_function(d):
    s = [x for x in points(d) if d > 1 or x < 600]
    reference = [float(mpmath.hyp1f1(mpmath.mpf(1) / 2, mpmath.mpf(d) / 2, -mpmath.mpf(x))) for x in s]
    assert relative_error(slice_transform(torch.tensor(s, dtype=torch.float64), d), reference) < 1e-12


@pytest.mark.parametrize("d", DIMENSIONS)
def test_mean_distance_is_that_of_a_noncentral_chi(d):
    with mpmath.workdps(40):
        scale = mpmath.sqrt(2) * mpmath.gamma(mpmath.mpf(d + 1) / 2) / mpmath.gamma(mpmath.mpf(d) / 2)
        reference = [float(scale * mpmath.hyp1f1(-0.5, mpmath.mpf(d) / 2, -mpmath.mpf(x) / 2)) for x in points(d)]
    assert relative_error(mean_distance(torch.tensor(points(d), dtype=torch.float64), d), reference) < 1e-12


@pytest.mark.parametrize("d", [1, 3, 64, 4096])
@pytest.mark.parametrize("scale", [0.1, 10.0])
def test_imq_mean_is_a_mixture_of_gaussian_embeddings(d, scale):
    c = 2 * d * scale

    def reference(r2: float) -> float:
        def integrand(u):
            shrink = 1 + 2 * u / c
            return mpmath.exp(-u - mpmath.mpf(d) / 2 * mpmath.log(shrink) - u / c * r2 / shrink)

        return float(mpmath.quad(integrand, [0, 1e-3, 1e-2, 0.1, 0.5, 1, 2, 5, 10, 20, 60]))

    r2 = [0.0, 1.0, float(d), 10.0 * d]
    assert relative_error(imq_mean(torch.tensor(r2, dtype=torch.float64), c, d), [reference(x) for x in r2]) < 1e-11


@pytest.mark.parametrize("d", [4, 64])
def test_imq_self_average_is_an_exponential_integral(d):
    c = 2.0 * d
    with mpmath.workdps(30):
        reference = (
            mpmath.mpf(c) / 4 * mpmath.exp(mpmath.mpf(c) / 4) * mpmath.expint(mpmath.mpf(d) / 2, mpmath.mpf(c) / 4)
        )
    value = imq_mean(torch.zeros((), dtype=torch.float64), c / 2, d)
    assert float(value) == pytest.approx(float(reference), rel=1e-12)


@pytest.mark.parametrize("d", [1, 2, 299, 300, 4096])
def test_gamma_ratio(d):
    reference = mpmath.gamma(mpmath.mpf(d + 1) / 2) / mpmath.gamma(mpmath.mpf(d) / 2)
    assert gamma_ratio(d) == pytest.approx(float(reference), rel=1e-13)


def test_special_functions_are_differentiable():
    r2 = torch.tensor([0.3, 2.0, 30.0], dtype=torch.float64, requires_grad=True)
    for d in (1, 5):
        assert gradcheck(lambda x, d=d: slice_transform(x, d), (r2,))
        assert gradcheck(lambda x, d=d: mean_distance(x, d), (r2,))
        assert gradcheck(lambda x, d=d: imq_mean(x, 4.0, d), (r2,))


@pytest.mark.parametrize("d", DIMENSIONS)
def test_fits_agree_with_the_quadrature_they_stand_for(d):
    s = torch.cat([torch.zeros(1), torch.logspace(-6, 8, 300)]).double()
    scales = IMQKernel().scales
    imq = sum(imq_mean(s, c, d) for c in IMQKernel().profile(d).constants)
    assert float((_imq_fit(scales, d)(s)[0] / imq - 1).abs().max()) < 1e-12
    assert float((_distance_fit(d)(s)[0] / mean_distance(s, d) - 1).abs().max()) < 1e-12
    if d > 1:
        phi = slice_transform(s, d)
        assert float((_slice_fit(d, True, 1e-12)(s)[0] / phi - 1).abs().max()) < 1e-11
        assert float((_slice_fit(d, True, _single_tolerance(d))(s)[0] / phi - 1).abs().max()) < 5e-8


@pytest.mark.parametrize("d", [2, 3, 8, 64, 4096])
def test_horner_coefficients_lose_little_to_cancellation(d):
    """The float32 rounding error of Horner's rule is bounded by the sum of the coefficients' sizes."""
    value, slope = _slice_fit(d, True, _single_tolerance(d)).monomials()
    assert float(value.abs().sum()) < 5
    assert float(slope.abs().sum()) < 30


@pytest.mark.parametrize("power", [-0.5, 0.0, 0.5, 1.0])
def test_fit_derivative_is_that_of_the_function(power):
    fit = RadialFit(lambda s: (3 + s) ** -power * (1 + 1 / (2 + s)), a=4.0, power=power)
    s = torch.tensor([0.0, 0.5, 4.0, 1e3], dtype=torch.float64, requires_grad=True)
    _, slope = fit(s.detach())
    (expected,) = torch.autograd.grad(((3 + s) ** -power * (1 + 1 / (2 + s))).sum(), s)
    torch.testing.assert_close(slope, expected, rtol=1e-10, atol=1e-10)


def test_fit_of_an_elementary_function_is_short():
    fit = RadialFit(lambda s: (1 + s / 2) ** -0.5, a=2.0, power=0.5)
    assert len(fit.value) == 1
    assert math.isclose(fit.value[0], 1.0)
