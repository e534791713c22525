"""Inverse autoregressive flows: densities against quadrature, draws against densities, and back."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from lather.errors import CapabilityError, ConfigError
from lather.models.posteriors import DiagonalGaussian, FlowLaw, FlowPosterior
from lather.priors import StandardNormal


def bent(d: int, *, transforms: int = 2, size: float = 1.0) -> FlowPosterior:
    """A flow that is far from the identity."""
    posterior = FlowPosterior(d, transforms=transforms, hidden=(24, 16), context=5).double()
    generator = torch.Generator().manual_seed(3)
    for step in posterior.steps:
        step.net.last.weight.data.normal_(0, size, generator=generator)
        step.net.last.bias.data.normal_(0, size, generator=generator)
    return posterior


def law(posterior: FlowPosterior, n: int = 2, seed: int = 0) -> FlowLaw:
    (width,) = posterior.output_shape((posterior.d,))
    h = torch.randn(n, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    q = posterior(h, (posterior.d,))
    assert isinstance(q, FlowLaw)
    return q


def grid(d: int, reach: float, k: int) -> tuple[Tensor, float]:
    axis = torch.linspace(-reach, reach, k, dtype=torch.float64)
    points = torch.cartesian_prod(*[axis] * d).reshape(-1, d)
    return points, (2 * reach / (k - 1)) ** d


@pytest.mark.parametrize(("d", "k"), [(1, 4001), (2, 301)])
def test_densities_integrate_to_one_and_give_the_moments_and_the_kl(d: int, k: int) -> None:
    q = law(bent(d))
    z, cell = grid(d, 12.0, k)
    with torch.no_grad():
        log_q = q.log_prob(z.unsqueeze(1).expand(-1, 2, d))  # (m, 2)
        p = log_q.exp() * cell
        torch.testing.assert_close(p.sum(0), torch.ones(2, dtype=torch.float64), atol=1e-4, rtol=0)
        mean = torch.einsum("mb,md->bd", p, z)
        std = (torch.einsum("mb,md->bd", p, z.square()) - mean.square()).sqrt()
        # the stated moments are those of 128 fixed draws
        assert float(((q.mean - mean).abs() / std).max()) < 0.15
        assert float((q.stddev / std - 1).abs().max()) < 0.2
        log_p = StandardNormal(d).double().log_prob(z).unsqueeze(1)
        kl = (p * (log_q - log_p)).sum(0)
        draws, log_density = q.draws(40_000, torch.Generator().manual_seed(1))
        ratio = log_density - StandardNormal(d).double().log_prob(draws)
        assert bool(((ratio.mean(0) - kl).abs() < 5 * ratio.std(0) / 200).all())


@pytest.mark.parametrize("d", [1, 2])
def test_draws_follow_the_density(d: int) -> None:
    q = law(bent(d), n=1)
    z, cell = grid(d, 12.0, 4001 if d == 1 else 301)
    with torch.no_grad():
        p = (q.log_prob(z.unsqueeze(1)).exp() * cell)[:, 0]
        x = q.sample((4000,))[:, 0]
    for v in torch.eye(d, dtype=torch.float64):  # the first coordinate, and the last, which depends on it
        position = z @ v
        axis, which = position.unique(return_inverse=True)
        cdf = torch.zeros_like(axis).index_add_(0, which, p).cumsum(0)
        assert stats.kstest((x @ v).numpy(), lambda t, a=axis, c=cdf: np_interp(t, a, c)).pvalue > 1e-3


def np_interp(t: object, axis: Tensor, cdf: Tensor) -> object:
    import numpy as np

    half = float(axis[1] - axis[0]) / 2  # a cell's mass lies around its point
    return np.interp(t, axis.numpy() + half, cdf.numpy())


@pytest.mark.parametrize("d", [1, 2, 5, 20])
def test_the_density_of_a_draw_is_that_of_the_same_point_found_by_inversion(d: int) -> None:
    q = law(bent(d, transforms=3, size=0.5), n=4)
    z = q.draw(torch.Generator().manual_seed(2))
    known = q.log_prob(z)
    torch.testing.assert_close(q.log_prob(z.clone()), known, rtol=1e-8, atol=1e-8)
    many, log_q = q.draws(3)
    torch.testing.assert_close(q.log_prob(many), log_q, rtol=1e-8, atol=1e-8)


def test_each_coordinate_depends_on_those_before_it_only() -> None:
    posterior = bent(5)
    h = torch.randn(1, 5, dtype=torch.float64)
    for step, order in zip(posterior.steps, ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0]), strict=True):
        slope = torch.autograd.functional.jacobian(
            lambda z, step=step: step(z, h)[0][0], torch.randn(1, 5, dtype=torch.float64)
        )[:, 0]
        slope = slope[order][:, order]
        assert bool((slope.triu(1) == 0).all())
        assert bool((slope.tril() != 0).any(0).all())
        assert float(slope.tril(-1).abs().max()) > 1e-3
        z = torch.randn(3, 5, dtype=torch.float64)
        several = h.expand(3, -1)
        slopes = torch.autograd.functional.jacobian(lambda z, step=step: step(z, h)[0][0], z[:1])[:, 0]
        y, log_slope = step(z, several)
        torch.testing.assert_close(log_slope[0], slopes.diagonal().log().sum())
        torch.testing.assert_close(step.inverse(y, several), z)


def test_it_starts_next_to_a_diagonal_gaussian() -> None:
    posterior = FlowPosterior(4).double()
    h = torch.randn(3, *posterior.output_shape((4,)), dtype=torch.float64)
    q = posterior(h, (4,))
    start = DiagonalGaussian()(h[:, :8], (4,))
    gate = torch.tensor(2.0).sigmoid().double() ** 2
    torch.testing.assert_close(q.mean, gate * start.mean, atol=1e-6, rtol=0)  # linear: the moments are exact
    torch.testing.assert_close(q.stddev, gate * start.stddev, atol=1e-6, rtol=1e-6)
    assert torch.equal(q.centre, q.mean)
    assert torch.equal(posterior(h[1:2], (4,)).mean[0], q.mean[1]) or torch.allclose(
        posterior(h[1:2], (4,)).mean[0], q.mean[1], rtol=1e-12
    )


def test_gradients() -> None:
    posterior = bent(3)
    h = torch.randn(2, *posterior.output_shape((3,)), dtype=torch.float64, requires_grad=True)
    z = torch.randn(2, 3, dtype=torch.float64)

    def drawn(h: Tensor) -> tuple[Tensor, Tensor]:
        q = posterior(h, (3,))
        draw = q.draw(torch.Generator().manual_seed(3))
        return draw, q.log_prob(draw)

    assert torch.autograd.gradcheck(lambda h: posterior(h, (3,)).log_prob(z), h)
    assert torch.autograd.gradcheck(drawn, h)
    assert torch.autograd.gradcheck(lambda h: posterior(h, (3,)).mean, h)


@pytest.mark.parametrize("size", [1e3, 1e6])
@pytest.mark.parametrize("sign", [-1, 1])
def test_extreme_outputs_stay_finite(size: float, sign: int) -> None:
    posterior = bent(3, transforms=2).float()
    h = torch.full((2, *posterior.output_shape((3,))), sign * size, requires_grad=True)
    q = posterior(h, (3,))
    z = q.draw()
    loss = (q.log_prob(z) - StandardNormal(3).log_prob(z)).sum()
    assert math.isfinite(loss.item())
    loss.backward()
    assert h.grad is not None
    assert bool(torch.isfinite(h.grad).all())


def test_mistakes_are_explained() -> None:
    with pytest.raises(ConfigError, match="transforms"):
        FlowPosterior(3, transforms=0)
    with pytest.raises(CapabilityError, match=r"FlowPosterior\(4\)"):
        FlowPosterior(3).output_shape((4,))
    with pytest.raises(CapabilityError, match=r"DiagonalGaussian\(\) for maps"):
        FlowPosterior(3).output_shape((3, 1, 1))
    with pytest.raises(ConfigError, match="enclose 0"):
        FlowPosterior(3, min_log_variance=1.0)
