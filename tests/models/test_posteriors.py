"""Posteriors against torch.distributions, Monte Carlo and their own promises."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from lather.errors import CapabilityError, ConfigError, ShapeError
from lather.models.posteriors import (
    Delta,
    DiagonalGaussian,
    DiagonalNormal,
    FixedNoise,
    FlowPosterior,
    FullCovariance,
    FullNormal,
    Point,
    Posterior,
    PowerSpherical,
    Sphere,
)
from lather.models.posteriors.base import soft_clamp
from lather.spec import build, known


def bent(d: int, transforms: int = 2, context: int = 5) -> FlowPosterior:
    """A flow that is no longer near the identity."""
    posterior = FlowPosterior(d, transforms=transforms, hidden=(16, 12), context=context).double()
    generator = torch.Generator().manual_seed(3)
    for step in posterior.steps:
        step.net.last.weight.data.normal_(0, 0.8, generator=generator)
        step.net.last.bias.data.normal_(0, 0.8, generator=generator)
    return posterior


ALL = [Point(), FixedNoise(0.3), DiagonalGaussian(), FullCovariance(), Sphere(), bent(3), PowerSpherical()]
DENSE = [posterior for posterior in ALL if posterior.gaussian]
SPREAD = [DiagonalGaussian(), FullCovariance()]
ids = {"ids": lambda posterior: type(posterior).__name__}


def encoded(posterior: Posterior, shape: tuple[int, ...] = (3,), n: int = 4, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, *posterior.output_shape(shape), generator=generator, dtype=torch.float64)


def reference(q: DiagonalNormal | FullNormal) -> torch.distributions.Distribution:
    if isinstance(q, FullNormal):
        return MultivariateNormal(q.location, scale_tril=q.scale_tril)
    return Independent(Normal(q.mean, q.stddev), 1)


def test_every_posterior_is_tested_here() -> None:
    assert set(known(Posterior)) == {type(posterior).__name__ for posterior in ALL}


@pytest.mark.parametrize("posterior", ALL, **ids)
def test_contract(posterior: Posterior) -> None:
    h = encoded(posterior).requires_grad_()
    q = posterior(h, (3,))
    assert (q.batch_shape, q.event_shape) == ((4,), (3,))
    for part in (q.mean, q.stddev, q.variance, q.draw(), q.sample()):
        assert part.shape == (4, 3)
        assert part.dtype == torch.float64
    assert q.rsample((2, 5)).shape == (2, 5, 4, 3)
    torch.testing.assert_close(q.variance, q.stddev**2)
    assert bool((q.draw() != q.draw()).all()) is posterior.random
    q.draw().sin().sum().backward()
    assert h.grad is not None
    assert bool((h.grad != 0).all())
    assert posterior.summary
    assert build(posterior.spec(), Posterior).spec() == posterior.spec()


@pytest.mark.parametrize("posterior", ALL, **ids)
def test_draws_follow_the_generator(posterior: Posterior, generator: torch.Generator) -> None:
    q = posterior(encoded(posterior), (3,))
    state = torch.get_rng_state()
    first = q.draw(generator)
    assert torch.equal(first, q.draw(generator.manual_seed(20)))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("posterior", DENSE, **ids)
def test_closed_forms_equal_those_of_torch(posterior: Posterior) -> None:
    q = posterior(encoded(posterior), (3,))
    p = reference(q)
    z = q.sample((7,))
    torch.testing.assert_close(q.log_prob(z), p.log_prob(z))
    torch.testing.assert_close(q.entropy(), p.entropy())
    torch.testing.assert_close(q.variance, p.variance)
    eye = torch.eye(3, dtype=torch.float64)
    wide = MultivariateNormal(q.mean, covariance_matrix=torch.diag_embed(q.variance))
    torch.testing.assert_close(
        q.kl_standard_normal(),
        kl_divergence(p if isinstance(q, FullNormal) else wide, MultivariateNormal(eye[0] * 0, eye)),
    )
    torch.testing.assert_close(q.kl_per_dimension().sum(-1), q.kl_standard_normal())


@pytest.mark.parametrize("posterior", DENSE, **ids)
def test_draws_have_the_stated_law(posterior: Posterior) -> None:
    torch.manual_seed(1)
    q = posterior(encoded(posterior, n=2), (3,))
    n = 40_000
    z = q.sample((n,))  # (n, 2, 3)
    error = q.stddev / math.sqrt(n)
    assert bool(((z.mean(0) - q.mean).abs() < 5 * error).all())
    centred = (z - q.mean).movedim(0, 1)
    covariance = centred.mT @ centred / n
    expected = q.covariance_matrix if isinstance(q, FullNormal) else torch.diag_embed(q.variance)
    tolerance = 5 * math.sqrt(2 / n) * q.stddev[:, :, None] * q.stddev[:, None, :]
    assert bool(((covariance - expected).abs() < tolerance).all())
    surprise = q.log_prob(z) - Normal(0, 1).log_prob(z).sum(-1)  # (n, 2); its mean is the KL
    assert bool(((surprise.mean(0) - q.kl_standard_normal()).abs() < 5 * surprise.std(0) / math.sqrt(n)).all())


def test_full_covariance_terms_follow_the_chain_rule() -> None:
    """E KL(q(z_j | z_<j) ‖ N(0, 1)), with the conditionals from the covariance by regression."""
    q = FullCovariance()(encoded(FullCovariance(), n=1), (3,))
    assert isinstance(q, FullNormal)
    covariance, mean = q.covariance_matrix[0], q.mean[0]
    for j in range(3):
        past = covariance[:j, :j]
        explained = covariance[j, :j] @ torch.linalg.solve(past, covariance[:j, j]) if j else torch.zeros(())
        left = covariance[j, j] - explained
        expected = 0.5 * (left + mean[j] ** 2 + explained - 1 - left.log())
        torch.testing.assert_close(q.kl_per_dimension()[0, j], expected.double())


@pytest.mark.parametrize("posterior", DENSE, **ids)
def test_gradients(posterior: Posterior) -> None:
    h = encoded(posterior, n=2).requires_grad_()
    z = torch.randn(2, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda h: posterior(h, (3,)).log_prob(z), h)
    assert torch.autograd.gradcheck(lambda h: posterior(h, (3,)).kl_per_dimension(), h)
    assert torch.autograd.gradcheck(lambda h: posterior(h, (3,)).draw(torch.Generator().manual_seed(3)), h)


def test_the_kl_keeps_its_digits_near_the_prior() -> None:
    log_variance = torch.tensor([[1e-4]])
    kl = DiagonalNormal(torch.zeros(1, 1), log_variance).kl_standard_normal()
    assert kl.item() == pytest.approx(1e-8 / 4, rel=1e-3)  # float32: 1 + 1e-4 alone has an error of 6e-8


@pytest.mark.parametrize("posterior", SPREAD, **ids)
@pytest.mark.parametrize("size", [30.0, 1e3, 1e6])
@pytest.mark.parametrize("sign", [-1, 1])
def test_extreme_outputs_stay_finite_and_come_back(posterior: Posterior, size: float, sign: int) -> None:
    h = torch.zeros(1, *posterior.output_shape((2,)))
    h[:, 2:4] = sign * size
    h.requires_grad_()
    q = posterior(h, (2,))
    kl = q.kl_standard_normal()
    assert bool(torch.isfinite(q.log_prob(torch.ones(1, 2))).all())
    kl.sum().backward()
    assert h.grad is not None
    assert bool((h.grad[:, 2:4] * sign > 0).all())  # downhill is back to σ = 1
    assert 8e-4 < q.stddev.min() <= q.stddev.max() < 21


@given(x=st.floats(-1e6, 1e6), low=st.floats(-50, -1), high=st.floats(1, 50))
def test_soft_clamp(x: float, low: float, high: float) -> None:
    bent = soft_clamp(torch.tensor(x, dtype=torch.float64), low, high).item()
    assert low <= bent <= high
    assert abs(bent) <= abs(x) * (1 + 1e-12) + 1e-300
    if abs(x) < 0.1:
        assert bent == pytest.approx(x, rel=0.01)


@settings(max_examples=30, deadline=None)
@given(
    shape=st.one_of(st.tuples(st.integers(1, 9)), st.tuples(*[st.integers(1, 4)] * 3)),
    which=st.sampled_from([Point(), FixedNoise(), DiagonalGaussian(), Sphere()]),
)
def test_spatial_latents_are_one_vector(shape: tuple[int, ...], which: Posterior) -> None:
    h = encoded(which, shape, n=2)
    q = which(h, shape)
    assert q.event_shape == (math.prod(shape),)
    if not isinstance(which, Sphere):
        assert torch.equal(q.mean.unflatten(1, shape), h[:, : shape[0]])
    if isinstance(which, DiagonalGaussian):
        torch.testing.assert_close(q.stddev.unflatten(1, shape), (soft_clamp(h[:, shape[0] :], -14.0, 6.0) / 2).exp())


def test_a_point_has_no_density() -> None:
    q = Point()(torch.ones(2, 3), (3,))
    assert isinstance(q, Delta)
    assert bool((q.variance == 0).all())
    for ask in (q.kl_standard_normal, q.kl_per_dimension, q.entropy, lambda: q.log_prob(torch.zeros(2, 3))):
        with pytest.raises(CapabilityError, match=r"DiagonalGaussian\(\)"):
            ask()


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-7, 1e-3, 1.0, 1e6])
def test_the_sphere_is_reached_from_everywhere(scale: float) -> None:
    h = (scale * torch.randn(5, 4)).requires_grad_()
    z = Sphere()(h, (4,)).mean
    torch.testing.assert_close(z.norm(dim=1), torch.ones(5))
    z.sum().backward()
    assert h.grad is not None
    assert bool(torch.isfinite(h.grad).all())
    if scale >= 1e-3:  # tangent: moving along h changes nothing
        assert bool(((h * h.grad).sum(1).abs() < 1e-5).all())


def test_half_precision_is_widened() -> None:
    q = DiagonalGaussian()(torch.zeros(2, 6, dtype=torch.bfloat16), (3,))
    assert q.draw().dtype == q.kl_standard_normal().dtype == torch.float32


def test_mistakes_are_explained() -> None:
    with pytest.raises(ShapeError, match=r"\(b, 6\), but the encoder returned \(2, 3\)"):
        DiagonalGaussian()(torch.zeros(2, 3), (3,))
    with pytest.raises(CapabilityError, match="flat latents"):
        FullCovariance().output_shape((4, 8, 8))
    with pytest.raises(ConfigError, match=r"Point\(\)"):
        FixedNoise(0.0)
    with pytest.raises(ConfigError, match="enclose 0"):
        DiagonalGaussian(1.0, 2.0)
    with pytest.raises(ConfigError, match="channels, height, width"):
        Point().output_shape((3, 4))
