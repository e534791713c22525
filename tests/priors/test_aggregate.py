"""The aggregate posterior's density is exact, whatever the spread, and so is its gradient."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.autograd import gradcheck

from lather.errors import ConfigError, ShapeError
from lather.priors import AggregatePosterior, Prior, aggregate
from lather.priors.screened import Screen
from lather.spec import build


def naive(z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """log q(z), one pair at a time in float64."""
    result = []
    for point in z.double():
        logs = torch.stack(
            [
                -0.5 * (((point - m) / s).square() + 2 * s.log() + math.log(2 * math.pi)).sum()
                for m, s in zip(mean.double(), std.double(), strict=True)
            ]
        )
        result.append(logs.logsumexp(0) - math.log(len(mean)))
    return torch.stack(result)


def example(n: int, d: int, sigma: float, *, offset: float = 0.0) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(n + d)
    mean = torch.randn(n, d, generator=g) + offset
    return mean, sigma * torch.empty(n, d).uniform_(0.7, 1.4, generator=g)


@pytest.mark.parametrize("sigma", [1.0, 0.3, 0.03, 0.003])
@pytest.mark.parametrize("d", [1, 2, 64])
def test_density_agrees_with_a_double_loop(sigma: float, d: int) -> None:
    mean, std = example(150, d, sigma, offset=2.0)
    prior = AggregatePosterior(mean, std)
    near = prior.sample(20, generator=torch.Generator().manual_seed(0))
    far = torch.cat([near, 3 * torch.randn(10, d)])
    expected = naive(far, mean, std)
    assert float((prior.log_prob(far)[:20] - expected[:20]).abs().max()) < 1e-4
    # far from all means the density itself is a large number, of which float32 keeps seven digits
    assert torch.allclose(prior.log_prob(far).double(), expected, rtol=2e-7, atol=1e-4)
    assert torch.allclose(prior.log_prob(far.double()), expected, rtol=1e-12, atol=1e-7)


def test_float32_alone_would_not_do() -> None:
    """What the float64 product is for: the same sum in float32 is off by more than the promised 1e-4."""
    mean, std = example(150, 64, 0.003)
    z = AggregatePosterior(mean, std).sample(20, generator=torch.Generator().manual_seed(0))
    w = std.square().reciprocal()
    square = z.square() @ w.T - 2 * z @ (mean * w).T + (mean.square() * w).sum(1)
    single = (-0.5 * square - std.log().sum(1) - 32 * math.log(2 * math.pi)).logsumexp(1) - math.log(150)
    assert float((single - naive(z, mean, std)).abs().max()) > 1e-2


def test_tiles_join_without_a_seam() -> None:
    mean, std = example(2500, 3, 0.2)
    prior = AggregatePosterior(mean.double(), std.double())
    z = prior.sample(600, generator=torch.Generator().manual_seed(1))
    logs = torch.distributions.Normal(prior.mean, prior.std).log_prob(z.unsqueeze(1)).sum(-1)
    expected = logs.logsumexp(1) - math.log(2500)
    assert torch.allclose(prior.log_prob(z), expected, atol=1e-9, rtol=0)
    assert torch.equal(prior.log_prob(z.reshape(6, 100, 3)), prior.log_prob(z).reshape(6, 100))
    assert prior.log_prob(z[:0]).shape == (0,)


def test_density_integrates_to_one_and_gradients_are_its_own() -> None:
    mean, std = example(40, 2, 0.3)
    prior = AggregatePosterior(mean.double(), std.double())
    nodes = torch.linspace(-6, 6, 241, dtype=torch.float64)
    total = prior.log_prob(torch.cartesian_prod(nodes, nodes)).exp().sum() * (12 / 240) ** 2
    assert float(total) == pytest.approx(1.0, abs=1e-6)
    z = prior.sample(6, generator=torch.Generator().manual_seed(2)).requires_grad_()
    assert gradcheck(prior.log_prob, (z,))
    single = AggregatePosterior(mean, std)
    (a,) = torch.autograd.grad(prior.log_prob(z).sum(), z)
    (b,) = torch.autograd.grad(single.log_prob(z.float()).sum(), z)
    assert torch.allclose(a, b, rtol=1e-4, atol=1e-4)


def test_draws_follow_the_mixture() -> None:
    mean, std = example(5, 2, 0.5)
    prior = AggregatePosterior(mean, std)
    z = prior.sample(20_000, generator=torch.Generator().manual_seed(3))
    assert torch.equal(z, prior.sample(20_000, generator=torch.Generator().manual_seed(3)))
    law = torch.distributions.Normal(mean[:, 0].double(), std[:, 0].double())
    u = law.cdf(z[:, :1].double()).mean(1)
    assert stats.kstest(u.numpy(), "uniform").pvalue > 1e-3
    assert prior().sample((3,)).shape == (3, 2)
    assert torch.equal(prior().log_prob(z[:4]), prior.log_prob(z[:4]))
    half = prior.log_prob(z[:4].half())
    assert torch.allclose(half, prior.log_prob(z[:4]), atol=0.05)


def test_a_large_one_is_written_as_its_shape_and_filled_from_the_weights() -> None:
    mean, std = example(40_000, 2, 0.5)
    prior = AggregatePosterior(mean, std)
    written = prior.spec()
    assert written["arguments"]["mean"] == {"shape": [40_000, 2], "dtype": "float32"}
    again = build(written, Prior)
    again.load_state_dict(prior.state_dict())
    assert torch.equal(again.log_prob(mean[:3]), prior.log_prob(mean[:3]))
    assert again.spec() == written


def test_mistakes_are_explained() -> None:
    with pytest.raises(ShapeError, match=r"both \(n, d\)"):
        AggregatePosterior(torch.zeros(3, 2), torch.ones(3))
    with pytest.raises(ConfigError, match=r"Empirical\(mean\)"):
        AggregatePosterior(torch.zeros(3, 2), torch.zeros(3, 2))
    with pytest.raises(ConfigError, match="finite"):
        AggregatePosterior(torch.full((3, 2), math.nan), torch.ones(3, 2))


def test_tables_are_kept_and_follow_every_change(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted(*arguments: torch.Tensor) -> Screen:
        made.append(1)
        return Screen(*arguments)

    monkeypatch.setattr(aggregate, "Screen", counted)
    g = torch.Generator().manual_seed(5)
    mean, std, z = (
        torch.randn(3000, 3, generator=g),
        0.1 + torch.rand(3000, 3, generator=g),
        torch.randn(200, 3, generator=g),
    )
    prior = AggregatePosterior(mean, std)
    size = len(pickle.dumps(prior))

    def right() -> bool:
        exact = AggregatePosterior(prior.mean.double(), prior.std.double()).log_prob(z.double())
        return bool((prior.log_prob(z) - exact).abs().max() < 2e-4)

    assert right()
    assert right()
    assert len(made) == 1
    prior.mean.add_(1.0)
    assert right()
    assert len(made) == 2
    prior.std = prior.std * 2
    assert right()
    assert len(made) == 3
    prior.load_state_dict({"mean": mean, "std": std}, strict=False)
    assert right()
    assert len(made) == 4
    copied = copy.deepcopy(prior)
    assert copied._tables._screen is None
    assert torch.equal(copied.log_prob(z), prior.log_prob(z))
    assert len(pickle.dumps(prior)) == size
    with torch.inference_mode():
        prior = AggregatePosterior(mean, std)
        assert right()
    monkeypatch.setattr(aggregate, "_KEPT", 2 * mean.numel() - 1)
    prior = AggregatePosterior(mean, std)
    assert right()
    assert prior._tables._screen is None
