"""The Hermite ladder: exact polynomials, exact null, calibrated p-values, a detection size that holds."""

from __future__ import annotations

from itertools import combinations_with_replacement
from math import comb, factorial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lather.divergences.hermite import ORDERS, HermiteLadder, _diagonal, _kernels, hermite_ladder, null_sd
from lather.divergences.hermite_null import detection_size, ladder_pvalue, ladder_quantile, null_skewness
from lather.errors import CapabilityError, ConfigError, ShapeError
from lather.priors import StandardNormal, UniformSphere
from lather.spec import build


def hermite(x: np.ndarray, m: int) -> np.ndarray:
    """Orthonormal probabilists' Hermite polynomial of degree m."""
    return np.polynomial.hermite_e.hermeval(x, [0] * m + [1]) / factorial(m) ** 0.5


def features(x: np.ndarray, k: int) -> np.ndarray:
    """All h_α(x), |α| = k, as columns."""
    d = x.shape[1]
    indices = combinations_with_replacement(range(d), k)
    return np.stack([np.prod([hermite(x[:, j], a.count(j)) for j in range(d)], axis=0) for a in indices], axis=1)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_kernels_are_sums_of_products_of_hermite_polynomials(d: int, generator: torch.Generator) -> None:
    x, y = (torch.randn(6, d, generator=generator, dtype=torch.float64) for _ in range(2))
    found = _kernels(x, y, x.square().sum(1), y.square().sum(1), 4)
    diagonal = _diagonal(x.square().sum(1), d, 4)
    for k in ORDERS:
        fx, fy = features(x.numpy(), k), features(y.numpy(), k)
        np.testing.assert_allclose(found[k - 1], fx @ fy.T, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(diagonal[k - 1], (fx**2).sum(1), rtol=1e-10)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(2, 30), d=st.integers(1, 40), block=st.integers(1, 40), seed=st.integers(0, 1000))
def test_one_pass_over_blocks_is_the_double_loop(n: int, d: int, block: int, seed: int) -> None:
    z = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    sums = hermite_ladder(z, block=block)
    norms = z.square().sum(1)
    kernels = _kernels(z, z, norms, norms, 4)
    for k in ORDERS:
        off = kernels[k - 1] - torch.diag(kernels[k - 1].diagonal())
        reference = float(off.sum()) / (n * (n - 1))
        assert sums.effects[k - 1] == pytest.approx(reference, rel=1e-9, abs=1e-9 * null_sd(n, d, k))
    again = hermite_ladder(z[torch.randperm(n)])
    assert again.effects == pytest.approx(sums.effects, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize(("n", "d"), [(20, 3), (10, 50), (60, 1)])
def test_null_mean_and_variance_are_exact(n: int, d: int, generator: torch.Generator) -> None:
    draws = 800
    values = np.array([hermite_ladder(torch.randn(n, d, generator=generator)).effects for _ in range(draws)])
    for k in ORDERS:
        u = values[:, k - 1]
        assert abs(u.mean()) < 4 * null_sd(n, d, k) / draws**0.5
        if k < 3:  # the higher rungs are too heavy-tailed for it; see the quadrature below
            assert u.var() == pytest.approx(2 * comb(d + k - 1, k) / (n * (n - 1)), rel=0.3)


@pytest.mark.parametrize("d", [1, 2])
def test_null_moments_are_exact(d: int) -> None:
    """E K_k, E K_k² and E K_k³ by Gauss–Hermite quadrature, exact for these polynomials."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    grid = np.stack(np.meshgrid(*[nodes] * d, indexing="ij"), -1).reshape(-1, d)
    weight = np.prod(np.stack(np.meshgrid(*[weights / weights.sum()] * d, indexing="ij"), -1).reshape(-1, d), axis=1)
    x = torch.from_numpy(grid)
    kernels = _kernels(x, x, x.square().sum(1), x.square().sum(1), 4)
    n = 7
    for k in ORDERS:
        cubed = float(weight @ (kernels[k - 1].numpy() ** 3) @ weight)
        dof = comb(d + k - 1, k)
        assert weight @ kernels[k - 1].numpy() @ weight == pytest.approx(0, abs=1e-12)
        assert weight @ kernels[k - 1].numpy() ** 2 @ weight == pytest.approx(dof, rel=1e-12)
        third = 8 / (n * (n - 1)) ** 1.5 * (n * (n - 1) / 2 * cubed + n * (n - 1) * (n - 2) * dof)
        assert null_skewness(n, d, k) == pytest.approx(third / (2 * dof) ** 1.5, rel=1e-8)


@pytest.mark.parametrize(("n", "d"), [(32, 2), (64, 16), (24, 100), (150, 1)])
def test_p_values_are_uniform_under_the_prior(n: int, d: int, generator: torch.Generator) -> None:
    sums = [hermite_ladder(torch.randn(n, d, generator=generator)) for _ in range(300)]
    for k in ORDERS:
        p = [ladder_pvalue(s, k)[0] for s in sums]
        assert stats.kstest(p, "uniform").pvalue > 1e-3, k
        assert np.mean([s.effects[k - 1] > ladder_quantile(n, d, k) for s in sums]) == pytest.approx(0.05, abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d"), [(500, 64), (1000, 3), (600, 256)])
def test_p_values_are_uniform_for_larger_samples(n: int, d: int, generator: torch.Generator) -> None:
    sums = [hermite_ladder(torch.randn(n, d, generator=generator)) for _ in range(300)]
    for k in ORDERS:
        assert stats.kstest([ladder_pvalue(s, k)[0] for s in sums], "uniform").pvalue > 1e-3, k


def shifted(n: int, d: int, g: torch.Generator) -> torch.Tensor:
    z = torch.randn(n, d, generator=g)
    z[:, 0] += 0.35
    return z


def shrunk(n: int, d: int, g: torch.Generator) -> torch.Tensor:
    return 0.9 * torch.randn(n, d, generator=g)


def heavy(n: int, d: int, g: torch.Generator) -> torch.Tensor:
    """t with 15 degrees of freedom, scaled to unit variance."""
    chi = torch.randn(n, 15, generator=g).square().sum(1, keepdim=True)
    return torch.randn(n, d, generator=g) * (13 / chi).sqrt()


@pytest.mark.parametrize(
    ("alternative", "k", "d"),
    [(shifted, 1, 4), (shifted, 1, 32), (shrunk, 2, 4), (shrunk, 2, 32), (heavy, 4, 16), (heavy, 4, 32)],
)
def test_power_at_the_detection_size_is_about_one_half(alternative, k: int, d: int, generator: torch.Generator) -> None:
    size = detection_size(hermite_ladder(alternative(8000, d, generator)), k)
    n = round(size.n)
    assert size.low <= size.n <= size.high
    assert 20 < n < 1500
    rejected = [ladder_pvalue(hermite_ladder(alternative(n, d, generator)), k)[0] < 0.05 for _ in range(120)]
    assert 0.33 < np.mean(rejected) < 0.67


def test_no_detection_size_is_claimed_at_the_prior(generator: torch.Generator) -> None:
    z = torch.randn(500, 8, generator=generator)
    sizes = [detection_size(hermite_ladder(z), k) for k in ORDERS]
    assert [str(s) for s in sizes if not s.detected] == ["> 500"] * sum(not s.detected for s in sizes)
    assert sum(s.detected for s in sizes) <= 1


def test_p_is_never_zero() -> None:
    for n, d in ((30, 2), (2000, 8)):
        p, bound = ladder_pvalue(hermite_ladder(5 + torch.randn(n, d)), 1)
        assert p > 0
        assert bound


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("shape", [(9, 3), (4, 6)])
@pytest.mark.parametrize("unbiased", [True, False])
def test_module_gradients(order: int, shape: tuple[int, int], unbiased: bool, generator: torch.Generator) -> None:
    z = torch.randn(*shape, dtype=torch.float64, generator=generator, requires_grad=True)
    prior = StandardNormal(shape[1])
    divergence = HermiteLadder(order, unbiased=unbiased)
    assert torch.autograd.gradcheck(lambda z: divergence(z, prior), z)
    if unbiased:
        expected = sum(hermite_ladder(z).effects[:order])
        assert divergence(z, prior).item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    else:
        assert divergence(z, prior).item() >= 0


def test_module_keeps_float32_and_agrees_with_float64(generator: torch.Generator) -> None:
    z = torch.randn(700, 5, generator=generator)
    for order in ORDERS:
        single, double = (HermiteLadder(order)(x, StandardNormal(5)) for x in (z, z.double()))
        assert single.dtype == torch.float32
        assert single.item() == pytest.approx(double.item(), abs=0.02 * null_sd(700, 5, order))


def test_module_round_trip() -> None:
    assert repr(build(HermiteLadder(3).spec(), HermiteLadder)) == "HermiteLadder(order=3)"


def test_errors() -> None:
    with pytest.raises(ConfigError, match="order=5"):
        HermiteLadder(5)
    with pytest.raises(CapabilityError, match="UniformSphere"):
        HermiteLadder()(torch.randn(4, 3), UniformSphere(3))
    with pytest.raises(ShapeError, match="n ≥ 2"):
        hermite_ladder(torch.randn(1, 3))


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize(("n", "d"), [(2, 512), (64, 512), (600, 512), (256, 8)])
@pytest.mark.parametrize("unbiased", [True, False])
def test_float32_is_right_far_below_the_noise(n: int, d: int, order: int, unbiased: bool, generator) -> None:
    z = torch.randn(n, d, generator=generator)
    divergence, prior = HermiteLadder(order, unbiased=unbiased), StandardNormal(d)
    exact = float(divergence(z.double(), prior))
    error = abs(float(divergence(z, prior)) - exact)
    assert error < 3e-6 * (null_sd(n, d, order) + abs(exact))


@pytest.mark.parametrize("order", [1, 2, 4])
def test_float32_survives_an_outlier(order: int, generator) -> None:
    z = torch.randn(256, 8, generator=generator)
    z[0] = 1e4
    values, gradients = [], []
    for dtype in (torch.float32, torch.float64):
        x = z.to(dtype).requires_grad_()
        value = HermiteLadder(order)(x, StandardNormal(8))
        values.append(float(value.detach()))
        gradients.append(torch.autograd.grad(value, x)[0].double())
    assert values[0] == pytest.approx(values[1], rel=1e-4)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-3 * float(gradients[1].abs().mean()))
