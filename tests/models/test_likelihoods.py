"""Likelihoods against torch.distributions, finite differences and their own promises."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Distribution, Independent

from lather.errors import CapabilityError, ConfigError, DataError, ShapeError
from lather.models.likelihoods import Bernoulli, Gaussian, Laplace, Likelihood, SquaredError
from lather.spec import build, known

SHAPE = (2, 3, 4)
ALL = [
    Bernoulli(),
    Gaussian(0.5),
    Gaussian("learned", shape=(2, 1, 1), squash="sigmoid"),
    Gaussian("optimal"),
    Gaussian("optimal", shape=SHAPE),
    Laplace(0.5, squash="sigmoid"),
    Laplace("learned", shape=SHAPE),
    Laplace("optimal", shape=(2, 1, 1)),
    SquaredError(0.05, squash="sigmoid"),
]
every = pytest.mark.parametrize("likelihood", ALL, ids=repr)
sampled = pytest.mark.parametrize("likelihood", [lik for lik in ALL if lik.normalised], ids=repr)


def fresh(likelihood: Likelihood) -> Likelihood:
    return build(likelihood.spec(), Likelihood)


def batch(n: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    raw = torch.randn(n, *SHAPE, generator=generator, dtype=torch.float64)
    return raw, torch.rand(n, *SHAPE, generator=generator, dtype=torch.float64)


def reference(likelihood: Likelihood, raw: torch.Tensor) -> Distribution:
    mean = raw.sigmoid() if getattr(likelihood, "squash", None) else raw
    if isinstance(likelihood, Bernoulli):
        inner: Distribution = torch.distributions.Bernoulli(logits=raw, validate_args=False)
    elif isinstance(likelihood, Gaussian):
        inner = torch.distributions.Normal(mean, likelihood.scale.expand(raw.shape).double())
    else:
        assert isinstance(likelihood, Laplace)
        inner = torch.distributions.Laplace(mean, likelihood.scale.expand(raw.shape).double())
    return Independent(inner, raw.ndim - 1, validate_args=False)


def test_every_likelihood_is_tested_here() -> None:
    names = {name for name, cls in known(Likelihood).items() if cls.summary}
    assert names == {type(likelihood).__name__ for likelihood in ALL}


@every
@pytest.mark.parametrize("training", [True, False])
def test_contract(likelihood: Likelihood, training: bool) -> None:
    likelihood = fresh(likelihood).train(training)
    raw, x = batch()
    raw.requires_grad_()
    p = likelihood(raw)
    assert (p.batch_shape, p.event_shape) == ((5,), SHAPE)
    log_prob = p.log_prob(x)
    assert log_prob.shape == (5,)
    assert log_prob.dtype == torch.float64
    assert p.mean.shape == (5, *SHAPE)
    log_prob.sum().backward()
    assert raw.grad is not None
    assert bool((raw.grad != 0).all())
    for name, parameter in likelihood.named_parameters():
        assert parameter.grad is not None, name
        assert bool((parameter.grad != 0).all()), name
    assert likelihood.param_shape(SHAPE) == SHAPE
    assert fresh(likelihood).spec() == likelihood.spec()


@sampled
def test_equals_torch(likelihood: Likelihood) -> None:
    likelihood = fresh(likelihood).eval()
    raw, x = batch()
    p, expected = likelihood(raw), reference(likelihood, raw)
    torch.testing.assert_close(p.log_prob(x), expected.log_prob(x))
    torch.testing.assert_close(p.log_prob(torch.stack([x, x / 2])), expected.log_prob(torch.stack([x, x / 2])))
    torch.testing.assert_close(p.mean, expected.mean)
    torch.testing.assert_close(p.variance, expected.variance)


@sampled
def test_draws_have_the_stated_law(likelihood: Likelihood, generator: torch.Generator) -> None:
    likelihood = fresh(likelihood).eval()
    raw, _ = batch(1)
    p = likelihood(raw)
    n = 20_000
    x = likelihood(raw.expand(n, *SHAPE)).draw(generator)
    error = (p.variance / n).sqrt()
    assert bool(((x.mean(0) - p.mean).abs() < 5 * error).all())
    fourth = (x - p.mean).square()
    assert bool(((fourth.mean(0) - p.variance).abs() < 5 * fourth.std(0) / math.sqrt(n) + 1e-9).all())
    assert p.sample((2, 3)).shape == (2, 3, 1, *SHAPE)
    assert torch.equal(x, likelihood(raw.expand(n, *SHAPE)).draw(generator.manual_seed(20)))


@every
def test_gradients(likelihood: Likelihood) -> None:
    likelihood = fresh(likelihood).double().eval()
    raw, x = batch(2)
    raw.requires_grad_()
    assert torch.autograd.gradcheck(lambda raw: likelihood(raw).log_prob(x), raw)
    for parameter in likelihood.parameters():
        assert torch.autograd.gradcheck(lambda _: likelihood(raw.detach()).log_prob(x), parameter)


def test_bernoulli_on_grey_values_stays_below_its_constant() -> None:
    _, x = batch()
    bound = (torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x)).flatten(1).sum(1)
    torch.testing.assert_close(Bernoulli()(x.logit()).log_prob(x), bound)
    assert bool((Bernoulli()(x.logit() + 0.1).log_prob(x) < bound).all())


def test_bernoulli_entropy() -> None:
    raw, _ = batch()
    torch.testing.assert_close(Bernoulli()(raw).entropy(), reference(Bernoulli(), raw).entropy())


def test_squared_error_is_the_squared_error() -> None:
    raw, x = batch()
    p = SquaredError(0.05)(raw)
    torch.testing.assert_close(p.log_prob(x), -0.05 * (x - raw).square().sum((1, 2, 3)))
    assert not SquaredError.normalised
    assert not SquaredError.nats
    for ask in (p.sample, p.draw, lambda: p.variance):
        with pytest.raises(CapabilityError, match=r"Gaussian\(3.162\)"):
            ask()
    raw.requires_grad_()
    ours, theirs = (
        torch.autograd.grad(likelihood(raw).log_prob(x).sum(), raw)[0]
        for likelihood in (SquaredError(0.05), Gaussian(0.1**-0.5))
    )
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(("cls", "power"), [(Gaussian, 2), (Laplace, 1)])
@pytest.mark.parametrize("shape", [(), (2, 1, 1), (4,), SHAPE])
def test_the_optimal_scale_is_the_best_one(cls: type[Gaussian], power: int, shape: tuple[int, ...]) -> None:
    raw, x = batch()
    optimal = cls("optimal", shape=shape).double()
    best = optimal(raw).log_prob(x).sum()
    scale = optimal.scale
    assert scale.shape == shape
    fixed = cls("learned", shape=shape).double()
    assert isinstance(fixed.log_scale, torch.nn.Parameter)
    for factor in (0.98, 1.0, 1.02):
        with torch.no_grad():
            fixed.log_scale.copy_((factor * scale).log())
        total = fixed(raw).log_prob(x).sum()
        if factor == 1.0:
            torch.testing.assert_close(total, best, rtol=1e-4, atol=1e-4)
        else:
            assert total < best
    if shape == ():
        moment = (x - raw).abs().pow(power).mean()
        torch.testing.assert_close(scale, moment ** (1 / power))


@pytest.mark.parametrize("cls", [Gaussian, Laplace])
def test_the_optimal_scale_gives_the_gradient_of_the_maximum(cls: type[Gaussian]) -> None:
    """The scale is a constant in the backward pass; finite differences move it with the batch."""
    raw, x = batch()
    raw.requires_grad_()
    optimal = cls("optimal").double()
    (gradient,) = torch.autograd.grad(optimal(raw).log_prob(x).sum(), raw)
    for index in [(0, 0, 0, 0), (3, 1, 2, 1)]:
        step = torch.zeros_like(raw)
        step[index] = 1e-5
        with torch.no_grad():
            slope = (optimal(raw + step).log_prob(x).sum() - optimal(raw - step).log_prob(x).sum()) / 2e-5
        torch.testing.assert_close(gradient[index], slope, rtol=1e-5, atol=1e-6)


def test_the_optimal_scale_is_remembered_for_evaluation() -> None:
    likelihood = Gaussian("optimal")
    mean = torch.zeros(4, 3)
    assert likelihood.eval()(mean).log_prob(mean).shape == (4,)
    assert likelihood.scale == 1  # nothing seen, and evaluation does not count as seeing
    likelihood.train()
    for size in (0.5, 0.5, 0.5):
        likelihood(mean).log_prob(torch.full((4, 3), size))
    torch.testing.assert_close(likelihood.scale, torch.tensor(0.5))  # no pull towards the start
    for _ in range(400):
        likelihood(mean).log_prob(torch.full((4, 3), 2.0))
    torch.testing.assert_close(likelihood.scale, torch.tensor(2.0), rtol=0.01, atol=0)
    copy = Gaussian("optimal")
    copy.load_state_dict(likelihood.state_dict())
    assert torch.equal(copy.scale, likelihood.scale)


@pytest.mark.parametrize("kind", ["optimal", "learned"])
def test_a_perfect_fit_stays_finite(kind: str) -> None:
    likelihood = Gaussian(kind)
    if kind == "learned":
        with torch.no_grad():
            likelihood.log_scale.fill_(-100)
    log_prob = likelihood(torch.zeros(2, 3)).log_prob(torch.zeros(2, 3))
    assert likelihood.scale.item() == pytest.approx(1e-3)
    torch.testing.assert_close(log_prob, torch.full((2,), -3 * math.log(1e-3 * math.sqrt(2 * math.pi))))


def test_the_learned_scale_finds_the_error(generator: torch.Generator) -> None:
    likelihood = Gaussian("learned", shape=(2, 1, 1))
    optimizer = torch.optim.Adam(likelihood.parameters(), lr=0.1)
    sizes = torch.tensor([0.1, 0.5])[:, None, None]
    x = torch.randn(200, *SHAPE, generator=generator) * sizes
    for _ in range(120):
        loss = -likelihood(torch.zeros_like(x)).log_prob(x).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.testing.assert_close(likelihood.scale.detach(), sizes, rtol=0.05, atol=0)


def test_half_precision_is_widened() -> None:
    p = Bernoulli()(torch.zeros(2, 3, dtype=torch.bfloat16))
    assert p.log_prob(torch.ones(2, 3)).dtype == torch.float32


def test_mistakes_are_explained() -> None:
    with pytest.raises(ConfigError, match="finite and above 0"):
        Gaussian(0.0)
    with pytest.raises(ConfigError, match="'learned' or 'optimal', got 'best'"):
        Laplace("best")
    with pytest.raises(ConfigError, match="leave shape out"):
        Gaussian(0.1, shape=(3, 1, 1))
    with pytest.raises(ConfigError, match=r"\(3, 1, 1\) for one per channel"):
        Gaussian("optimal", shape=(2, 1, 1)).param_shape((3, 8, 8))
    with pytest.raises(ConfigError, match="does not broadcast"):
        Gaussian("optimal", shape=(1, 2, 1, 1)).param_shape((2, 8, 8))
    with pytest.raises(ConfigError, match="squash='tanh'"):
        SquaredError(squash="tanh")
    with pytest.raises(ShapeError, match=r"data of shape \(2, 4\).*returned \(2, 2, 2\)"):
        SquaredError()(torch.zeros(2, 2, 2)).log_prob(torch.zeros(2, 4))
    with pytest.raises(ShapeError, match="keep the batch axis"):
        Bernoulli()(torch.zeros(4))
    with pytest.raises(DataError, match="values from 0 to 255"):
        Bernoulli().check(torch.tensor([[0.0, 255.0]]))
    with pytest.raises(DataError, match="scale the data"):
        Gaussian(squash="sigmoid").check(torch.tensor([[float("nan")]]))
    Gaussian().check(torch.tensor([[255.0]]))
