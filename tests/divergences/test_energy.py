"""Energy distance: plain sums, elementary cases, and the identity with sliced Cramér distances."""

from __future__ import annotations

import math

import pytest
import torch

from lather.divergences import Energy
from lather.divergences.special import gamma_ratio
from lather.priors import StandardNormal, UniformCube


def test_against_draws_it_is_the_textbook_estimate(generator):
    z = torch.randn(30, 3, generator=generator, dtype=torch.float64)
    prior = UniformCube(3)
    y = prior.sample(30, generator=torch.Generator().manual_seed(3)).double()
    cross = torch.cdist(z, y).mean()
    within = [torch.pdist(part).mean() for part in (z, y)]
    value = Energy()(z, prior, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(value, 2 * cross - within[0] - within[1], rtol=1e-10, atol=1e-13)


def test_in_one_dimension_it_is_elementary(generator):
    """E|x − Z| = x(2Φ(x) − 1) + 2φ(x)."""
    z = torch.randn(40, 1, generator=generator, dtype=torch.float64) * 1.3 + 0.2
    x = z[:, 0]
    density = torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)
    cross = (x * (2 * torch.special.ndtr(x) - 1) + 2 * density).mean()
    expected = 2 * cross - 2 / math.sqrt(math.pi) - torch.pdist(z).mean()
    torch.testing.assert_close(Energy()(z, StandardNormal(1)), expected, rtol=1e-9, atol=0)


def test_it_is_the_cramer_distance_averaged_over_all_slices(generator):
    """E_v ∫ (F_v − Φ)² = (c_d / 2) × energy distance, c_d = Γ(d/2) / (√π Γ((d+1)/2))."""
    d, n, k = 5, 12, 4000
    z = torch.randn(n, d, generator=generator, dtype=torch.float64) * 1.5 + 0.5
    v = torch.nn.functional.normalize(torch.randn(k, d, generator=generator, dtype=torch.float64), dim=1)
    t = torch.linspace(-12, 12, 3001, dtype=torch.float64)
    x = (v @ z.T).sort(dim=1).values.contiguous()
    steps = torch.searchsorted(x, t.expand(k, -1).contiguous()) / n
    cramer = torch.trapezoid((steps - torch.special.ndtr(t)).square(), t, dim=1)
    energy = float(Energy(unbiased=False)(z, StandardNormal(d)))
    expected = energy / (2 * math.sqrt(math.pi) * gamma_ratio(d))
    assert abs(float(cramer.mean()) - expected) < 4 * float(cramer.std()) / math.sqrt(k)
    assert float(cramer.std()) / math.sqrt(k) < 0.02 * expected


@pytest.mark.parametrize("far", [1e2, 1e4])
def test_pull_is_bounded_and_does_not_fade_with_distance(far, generator):
    z = torch.randn(10, 3, generator=generator)
    z[:, 0] += far
    z.requires_grad_()
    Energy()(z, StandardNormal(3)).backward()
    torch.testing.assert_close(z.grad.sum(0), torch.tensor([2.0, 0.0, 0.0]), rtol=0.02, atol=0.05)
    assert float(z.grad.norm(dim=1).max()) < 4 / 10  # 2/n from either side


def test_collapsed_latents_are_pushed_apart():
    z = (1e-3 * torch.randn(20, 3, generator=torch.Generator().manual_seed(0))).requires_grad_()
    Energy()(z, StandardNormal(3)).backward()
    assert float((z.grad * z.detach()).sum()) < 0
