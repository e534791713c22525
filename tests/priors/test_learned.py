"""Priors that are trained: mixtures, flows, and the mixture of a model's own posteriors."""

from __future__ import annotations

import copy
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.distributions import Distribution

from lather.divergences import Energy
from lather.errors import CapabilityError, ConfigError, MissingExtraError, ShapeError
from lather.models import Autoencoder, DiagonalGaussian, FullCovariance, Match, Point, PosteriorKL, Reconstruction
from lather.priors import Empirical, FlowPrior, GaussianMixture, Prior, StandardNormal, VampPrior
from lather.spec import build

X = torch.rand(40, 5, generator=torch.Generator().manual_seed(0))


def model(prior: Prior, posterior: object = None) -> Autoencoder:
    torch.manual_seed(1)
    posterior = posterior or DiagonalGaussian()
    (width,) = posterior.output_shape((prior.d,))  # type: ignore[attr-defined]
    parts = {"prior": prior, "objective": Reconstruction() + PosteriorKL(), "posterior": posterior}
    return Autoencoder(nn.Linear(5, width), nn.Linear(prior.d, 5), **parts)  # type: ignore[arg-type]


def flow(d: int, kind: str = "maf", **options: object) -> FlowPrior:
    pytest.importorskip("zuko")
    return FlowPrior(d, kind, hidden=(16,), transforms=2, **options)  # type: ignore[arg-type]


def vamp(d: int = 2, k: int = 6) -> VampPrior:
    return VampPrior.from_data(d, X, k=k)


def full(*, learned: bool = True) -> GaussianMixture:
    a = torch.randn(3, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    means = torch.randn(3, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    weights = torch.tensor([1.0, 2.0, 3.0])
    return GaussianMixture(means, covariances=a @ a.mT + 0.3 * torch.eye(2), weights=weights, learned=learned)


@pytest.mark.parametrize("make", [lambda: GaussianMixture.scattered(2, k=3, learned=True), full, lambda: flow(2), vamp])
def test_the_kl_term_teaches_every_parameter(make: object) -> None:
    prior = make().float()  # type: ignore[operator]
    whole = model(prior)
    optimizer = torch.optim.Adam(prior.parameters(), lr=0.02)
    g = torch.Generator()
    losses = []
    for _ in range(40):
        loss = whole(X, generator=g.manual_seed(0))["kl"]
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None and bool(p.grad.any()) for p in prior.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.05
    assert whole.generate(3, generator=g).shape == (3, 5)
    assert not prior.sample(2).requires_grad


def test_a_learned_mixture_starts_where_it_was_told_to() -> None:
    for fixed, learned in [
        (full(learned=False), full()),
        (GaussianMixture.scattered(2).double(), GaussianMixture.scattered(2, learned=True).double()),
    ]:
        z = fixed.sample(50, generator=torch.Generator().manual_seed(1))
        assert torch.allclose(learned.log_prob(z), fixed.log_prob(z), atol=1e-6)
        again = learned.sample(50, generator=torch.Generator().manual_seed(1))
        assert torch.allclose(again, z, atol=1e-6)
        v = torch.eye(2, dtype=torch.float64)
        assert torch.allclose(learned.along(v).cdf(z), fixed.along(v).cdf(z), atol=1e-6)
        assert {p.shape for p in learned.parameters()} == {b.shape for b in fixed.buffers()}
        assert list(fixed.parameters()) == []


@pytest.mark.parametrize("kind", ["maf", "nsf"])
def test_a_flow_is_a_density_and_draws_from_it(kind: str) -> None:
    prior = flow(2, kind).double()
    with torch.no_grad():
        for p in prior.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    edge = 12.0
    nodes = torch.linspace(-edge, edge, 401, dtype=torch.float64)[:-1] + edge / 400
    with torch.no_grad():
        density = prior.log_prob(torch.cartesian_prod(nodes, nodes)).exp().reshape(400, 400) * (edge / 200) ** 2
    assert float(density.sum()) == pytest.approx(1.0, abs=2e-3)
    z = prior.sample(4000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(z, prior.sample(4000, generator=torch.Generator().manual_seed(0)))
    for axis in (0, 1):
        cdf = density.sum(1 - axis).cumsum(0).numpy()  # at the upper ends of the cells
        u = np.interp(z[:, axis].numpy(), nodes.numpy() + edge / 400, cdf)
        assert stats.kstest(u, "uniform").pvalue > 1e-3
    assert prior().sample((2,)).shape == (2, 2)
    assert prior.float().log_prob(z).dtype == torch.float64


def test_a_flow_leaves_global_state_alone_and_can_be_frozen_and_rebuilt() -> None:
    before = torch.get_rng_state()
    prior = flow(3, seed=4)
    assert torch.equal(before, torch.get_rng_state())
    again = build(prior.spec(), Prior)
    z = torch.randn(4, 3)
    assert torch.equal(again.log_prob(z), prior.log_prob(z))
    assert not torch.equal(flow(3, seed=5).log_prob(z), prior.log_prob(z))
    frozen = flow(3, learned=False)
    assert not any(p.requires_grad for p in frozen.parameters())
    Autoencoder(nn.Linear(5, 3), nn.Linear(3, 5), prior=frozen, objective=Reconstruction() + Match(Energy()))


CHECKS = """
import torch
from torch.distributions import Distribution
import lather
lather.FlowPrior(2)
assert Distribution._validate_args is __debug__
"""


def test_the_first_flow_leaves_argument_checks_on() -> None:
    pytest.importorskip("zuko")
    assert Distribution._validate_args is True or "zuko" in sys.modules
    result = subprocess.run([sys.executable, "-c", CHECKS], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_without_zuko_the_way_to_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zuko", None)
    with pytest.raises(MissingExtraError, match=r"lather\[flows\]"):
        FlowPrior(2)


@pytest.mark.parametrize("posterior", [DiagonalGaussian(), FullCovariance()])
def test_vamp_is_the_mean_of_the_posteriors_at_its_pseudo_inputs(posterior: object) -> None:
    prior = vamp()
    whole = model(prior, posterior)
    z = torch.randn(7, 2)
    q = whole.encode(prior.pseudo_inputs)
    expected = torch.stack([q.log_prob(point.expand(6, 2)).logsumexp(0) - math.log(6) for point in z])
    assert torch.allclose(prior.log_prob(z), expected, atol=1e-5)
    assert torch.allclose(prior().log_prob(z), expected, atol=1e-5)
    (loss, encoder) = prior.log_prob(z).sum(), whole.encoder.weight
    assert torch.autograd.grad(loss, encoder)[0].any()
    draws = prior.sample(3000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(draws, prior.sample(3000, generator=torch.Generator().manual_seed(0)))
    u = stats.ks_2samp(draws[:, 0], q.rsample((500,)).detach()[:, :, 0].flatten())
    assert u.pvalue > 1e-3


def test_vamp_follows_its_model_into_a_copy_and_is_not_saved_twice() -> None:
    whole = model(vamp())
    names = set(whole.state_dict())
    assert {n for n in names if n.startswith("prior.")} == {"prior.pseudo_inputs"}
    twin = copy.deepcopy(whole)
    with torch.no_grad():
        twin.encoder.weight.zero_()
    z = torch.randn(3, 2)
    assert not torch.equal(twin.prior.log_prob(z), whole.prior.log_prob(z))
    assert torch.equal(whole.prior.log_prob(z), model(vamp()).prior.log_prob(z))


def test_drawing_from_vamp_does_not_train_the_encoder() -> None:
    """``generate`` encodes pseudo-inputs in eval mode: running means of normalisation stay as they are."""
    encoder = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4))
    whole = Autoencoder(encoder, nn.Linear(2, 5), prior=vamp(), objective=Reconstruction() + PosteriorKL())
    before = encoder[1].running_mean.clone()
    whole.train().generate(4)
    assert torch.equal(before, encoder[1].running_mean)
    assert whole.training


def test_what_cannot_work_is_refused_at_construction() -> None:
    matching = Reconstruction() + Match(Energy())
    for prior in (vamp(), GaussianMixture.scattered(2, learned=True), flow(2)):
        with pytest.raises(CapabilityError, match=r"add PosteriorKL\(\)"):
            Autoencoder(nn.Linear(5, 2), nn.Linear(2, 5), prior=prior, objective=matching, posterior=Point())
    with pytest.raises(CapabilityError, match="density"):
        model(Empirical(torch.randn(10, 2)))
    with pytest.raises(ConfigError, match="belongs to none yet"):
        vamp().sample(2)
    with pytest.raises(ConfigError, match="1 ≤ k ≤ 40"):
        vamp(k=41)
    with pytest.raises(ShapeError, match="pseudo-inputs are data"):
        VampPrior(2, torch.zeros(3))
    with pytest.raises(ConfigError, match="there are: maf, nsf"):
        FlowPrior(2, "glow")
    with pytest.raises(ConfigError, match="transforms ≥ 1"):
        FlowPrior(2, transforms=0)
    assert not StandardNormal(2).learned
