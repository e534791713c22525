"""Each measure of the studies against a closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lather.studies.drift import LatentDrift
from lather.studies.jacobian import jacobian_norm
from lather.studies.overlap import smoothed_js, wasserstein_line
from lather.studies.perturbation import output_change
from lather.studies.sharpness import high_frequency_share, laplacian_variance


def test_the_jacobian_of_a_linear_decoder_is_its_matrix() -> None:
    g = torch.Generator().manual_seed(0)
    w, z = torch.randn(5, 12, generator=g), torch.randn(7, 5, generator=g)
    found = jacobian_norm(lambda z: z @ w, z, directions=5, generator=g)
    assert torch.allclose(found, w.norm().expand(7), rtol=1e-5)


def test_a_linear_decoder_moves_by_its_matrix_times_the_step() -> None:
    g = torch.Generator().manual_seed(0)
    w, z = torch.randn(4, 9, generator=g), 3 * torch.randn(20_000, 4, generator=g)
    found = output_change(lambda z: z @ w, z, 0.1, generator=g).square().mean().sqrt()
    assert float(found) == pytest.approx(0.3 * float(w.norm()) / 3, rel=0.03)


def test_the_share_of_one_wave_is_all_or_nothing() -> None:
    t = torch.arange(16.0)
    slow, fast = (torch.sin(2 * math.pi * f * t).expand(1, 1, 16, 16) for f in (1 / 16, 6 / 16))
    assert float(high_frequency_share(slow)) == pytest.approx(0, abs=1e-6)
    assert float(high_frequency_share(fast)) == pytest.approx(1, abs=1e-6)
    assert float(high_frequency_share(torch.ones(1, 1, 8, 8))) == 0


def test_the_laplacian_of_a_parabola_is_constant_and_of_a_wave_is_known() -> None:
    t = torch.arange(18.0, dtype=torch.float64)
    assert float(laplacian_variance((t**2).expand(1, 1, 18, 18))) == pytest.approx(0, abs=1e-12)
    wave = torch.sin(2 * math.pi * t / 16).expand(1, 1, 18, 18)  # inside: a whole period
    assert float(laplacian_variance(wave)) == pytest.approx((2 * math.cos(2 * math.pi / 16) - 2) ** 2 / 2)


def test_smoothed_js_saturates_and_wasserstein_does_not() -> None:
    from scipy.integrate import quad
    from scipy.stats import norm

    def half(x: float) -> float:
        p, q = norm.pdf(x), norm.pdf(x, 1.5)
        return 0.5 * (p * math.log(2 * p / (p + q)) + q * math.log(2 * q / (p + q)))

    expected = quad(half, -12, 13)[0]
    assert smoothed_js(np.array([0.0]), np.array([1.5]), 1.0) == pytest.approx(expected, rel=1e-7)
    far = [smoothed_js(np.array([0.0]), np.array([s]), 0.05) for s in (1.0, 4.0)]
    assert far == pytest.approx([math.log(2)] * 2, rel=1e-9)
    a = np.random.default_rng(0).normal(size=50)
    assert [wasserstein_line(a, a + s) for s in (1.0, 4.0)] == pytest.approx([1.0, 4.0])
    with pytest.raises(ValueError, match="more points"):
        smoothed_js(np.array([0.0]), np.array([1000.0]), 0.01)


def test_drift_is_the_step_in_units_of_the_spread() -> None:
    z = 2 * torch.randn(5000, 3, generator=torch.Generator().manual_seed(0))
    drift = LatentDrift(z)
    drift.see(z)
    drift.see(z + 0.2)
    assert drift.steps == [pytest.approx(0.1, rel=0.03)]
