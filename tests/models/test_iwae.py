"""Importance-weighted bounds against a linear Gaussian model, whose evidence is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from lather.divergences import Energy
from lather.errors import CapabilityError, ConfigError
from lather.models import (
    IWAE,
    Autoencoder,
    DiagonalGaussian,
    FlowPosterior,
    FullCovariance,
    Gaussian,
    Match,
    Point,
    PosteriorKL,
    PowerSpherical,
    Reconstruction,
    SquaredError,
    iwae_bound,
)
from lather.models.objective import Objective
from lather.priors import Empirical, GaussianMixture, Normal, StandardNormal, UniformCube, UniformSphere

D, FEATURES, SIGMA = 2, 4, 1.0
X = torch.randn(20, FEATURES, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


class Spread(nn.Module):
    """μ = linear in x, log σ² constant: the raw numbers that DiagonalGaussian bends into the wanted ones."""

    def __init__(self, mean: nn.Linear, raw: Tensor) -> None:
        super().__init__()
        self.mean, self.raw = mean, nn.Parameter(raw)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.mean(x), self.raw.expand(len(x), -1)], dim=1)


def ppca(objective: Objective, *, wider: float = 1.0, shifted: float = 0.0, **parts: object) -> Autoencoder:
    """p(x|z) = N(Wz + b, σ²) with orthogonal columns in W, so that the true posterior is a diagonal Gaussian.

    Args:
        objective: of the model.
        wider: factor of the true posterior's standard deviations.
        shifted: added to its mean.
    """
    generator = torch.Generator().manual_seed(3)
    w = torch.linalg.qr(torch.randn(FEATURES, D, generator=generator, dtype=torch.float64)).Q * torch.tensor([1.5, 0.5])
    decoder = nn.Linear(D, FEATURES).double()
    decoder.weight.data, decoder.bias.data = w, torch.linspace(-0.5, 0.5, FEATURES, dtype=torch.float64)
    precision = 1 + w.square().sum(0) / SIGMA**2
    mean = nn.Linear(FEATURES, D).double()
    mean.weight.data = (w / SIGMA**2 / precision).T.contiguous()
    mean.bias.data = -mean.weight.data @ decoder.bias.data + shifted
    wanted = -precision.log() + 2 * math.log(wider)
    c = torch.where(wanted < 0, 14.0, 6.0) * 2 / math.pi  # undo the bend of log σ²
    raw = c * torch.tan(wanted / c)
    return Autoencoder(
        Spread(mean, raw),
        decoder,
        **{  # type: ignore[arg-type]
            "prior": StandardNormal(D),
            "objective": objective,
            "posterior": DiagonalGaussian(),
            "likelihood": Gaussian(sigma=SIGMA),
            **parts,
        },
    ).double()


def evidence(model: Autoencoder, x: Tensor) -> Tensor:
    assert isinstance(model.decoder, nn.Linear)
    w, b = model.decoder.weight.detach(), model.decoder.bias.detach()
    covariance = w @ w.T + SIGMA**2 * torch.eye(FEATURES, dtype=torch.float64)
    return torch.distributions.MultivariateNormal(b, covariance).log_prob(x)


VAE = Reconstruction() + PosteriorKL()


@pytest.mark.parametrize("k", [1, 13])
@pytest.mark.parametrize("batch", [1, 7, 20, 64, 1000])
def test_with_the_true_posterior_every_weight_is_the_evidence(k: int, batch: int) -> None:
    model = ppca(VAE)
    torch.testing.assert_close(iwae_bound(model, X, k, batch=batch), evidence(model, X), rtol=1e-10, atol=1e-10)


def test_it_rises_with_k_from_the_elbo_to_the_evidence() -> None:
    model = ppca(VAE, wider=1.6, shifted=0.3)
    exact = evidence(model, X).mean()
    generator = torch.Generator().manual_seed(5)
    repeats = {1: 200, 4: 100, 32: 50, 5000: 1}
    means, errors = {}, {}
    for k, times in repeats.items():
        values = torch.stack([iwae_bound(model, X, k, generator=generator).mean() for _ in range(times)])
        means[k] = float(values.mean())
        errors[k] = float(values.std()) / math.sqrt(times) if times > 1 else 0.0
    # the ELBO in closed form: KL, and E‖x − Wz − b‖² = ‖x − Wμ − b‖² + tr(W Σ Wᵀ)
    q = model.encode(X)
    spread = (q.variance @ model.decoder.weight.square().T).sum(1)
    squared = (X - model.decoder(q.mean)).square().sum(1) + spread
    log_p = -0.5 * squared / SIGMA**2 - FEATURES * math.log(SIGMA * math.sqrt(2 * math.pi))
    elbo = float((log_p - q.kl_standard_normal()).mean().detach())
    assert means[1] == pytest.approx(elbo, abs=4 * errors[1])
    assert elbo < exact - 0.3
    assert means[1] + 4 * errors[1] < means[4] < means[32] - 4 * errors[32] < float(exact)
    assert means[5000] == pytest.approx(float(exact), abs=0.01)


def test_the_bound_is_the_mean_of_the_terms_draws() -> None:
    """The same noise gives the term the same value as the function; k = 1 is one draw's ELBO."""
    model = ppca(1.0 * IWAE(k=3), wider=1.4).eval()
    step = model.step(X, generator=torch.Generator().manual_seed(1), noise=torch.Generator().manual_seed(2))
    noise = torch.Generator().manual_seed(2)
    step.q.draw(noise)
    value = model.objective(step)
    bound = iwae_bound(model, X, 3, generator=noise, batch=60).mean()
    assert float(value["iwae"].detach()) == pytest.approx(-float(bound), rel=1e-12)
    assert float(value["iwae_elbo"]) < float(bound)
    assert 1 <= float(value["iwae_draws"]) <= 3


def test_with_one_draw_it_is_the_one_draw_elbo() -> None:
    model = ppca(1.0 * IWAE(k=1), wider=1.4)
    value = model.objective(model.step(X, generator=torch.Generator().manual_seed(3), noise=(noise := twin())[0]))
    q = model.encode(X)
    q.draw(noise[1])  # the draw that other terms look at; IWAE takes one of its own
    z = q.draw(noise[1])
    elbo = model.decode(z).log_prob(X) + model.prior.log_prob(z) - q.log_prob(z)
    assert set(value) == {"loss", "iwae", "iwae_elbo", "iwae_draws"}
    assert float(value["iwae"].detach()) == pytest.approx(-float(elbo.mean().detach()), rel=1e-12)
    assert float(value["iwae_elbo"]) == pytest.approx(float(elbo.mean().detach()), rel=1e-12)


def twin() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(2) for _ in range(2)]


def gradients(model: Autoencoder, seed: int) -> dict[str, Tensor]:
    model.zero_grad()
    model(X, generator=torch.Generator().manual_seed(seed))["loss"].backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.slow
@pytest.mark.parametrize("posterior", [DiagonalGaussian(), FullCovariance(), PowerSpherical()], ids=repr)
def test_doubly_reparameterised_gradients_have_the_same_expectation(posterior: object) -> None:
    found = {}
    for dreg in (False, True):
        if isinstance(posterior, DiagonalGaussian):
            model = ppca(1.0 * IWAE(k=4, dreg=dreg), wider=1.5, shifted=0.2)
        else:
            torch.manual_seed(0)
            (width,) = posterior.output_shape((D,))  # type: ignore[attr-defined]
            encoder = nn.Linear(FEATURES, width).double()
            prior = UniformSphere(D) if isinstance(posterior, PowerSpherical) else StandardNormal(D)
            model = ppca(1.0 * IWAE(k=4, dreg=dreg), posterior=posterior, prior=prior)
            model.encoder = encoder
        found[dreg] = [gradients(model, seed) for seed in range(150)]
    assert found[False][0].keys() == found[True][0].keys()
    for name in found[False][0]:
        plain, doubly = (torch.stack([g[name] for g in found[dreg]]) for dreg in (False, True))
        if name.startswith("decoder"):  # the same draws, the same gradient
            torch.testing.assert_close(plain, doubly)
            continue
        difference = plain - doubly
        error = difference.std(0) / math.sqrt(len(plain))
        assert bool((difference.mean(0).abs() < 5 * error + 1e-9).all()), name
        assert float(doubly.mean(0).abs().max()) > 1e-2  # there is something to be right about


def test_doubly_reparameterised_gradients_vanish_at_the_true_posterior() -> None:
    plain, doubly = (gradients(ppca(1.0 * IWAE(k=4, dreg=dreg)), seed=0) for dreg in (False, True))
    for name in ("encoder.raw", "encoder.mean.weight", "encoder.mean.bias"):
        assert float(doubly[name].abs().max()) < 1e-12
        assert float(plain[name].abs().max()) > 1e-3


SMALL_FLOW = FlowPosterior(D, transforms=1, hidden=(3,), context=2)


@pytest.mark.parametrize("posterior", [DiagonalGaussian(), SMALL_FLOW, PowerSpherical()], ids=repr)
def test_gradients_of_the_term(posterior: object) -> None:
    torch.manual_seed(0)
    prior = UniformSphere(D) if isinstance(posterior, PowerSpherical) else GaussianMixture.scattered(D, k=2)
    model = ppca(1.0 * IWAE(k=3), posterior=posterior, prior=prior)
    model.encoder = nn.Linear(FEATURES, *posterior.output_shape((D,))).double()  # type: ignore[attr-defined]
    # not with respect to the encoder where draws come from rejection sampling: nudged, they are other draws
    chosen = "decoder" if isinstance(posterior, PowerSpherical) else ""
    weights = {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()}
    names = [name for name in weights if name.startswith(chosen)]

    def loss(*values: Tensor) -> Tensor:
        replaced = {**weights, **dict(zip(names, values, strict=True))}
        generator = torch.Generator().manual_seed(7)
        return torch.func.functional_call(model, replaced, (X[:4],), {"generator": generator})["loss"]

    assert torch.autograd.gradcheck(loss, tuple(weights[name] for name in names))


def test_an_optimal_scale_is_that_of_all_draws_and_is_learned_once_a_step() -> None:
    model = ppca(1.0 * IWAE(k=5), likelihood=Gaussian(sigma="optimal")).train()
    model(X)
    assert int(model.likelihood.batches) == 1  # type: ignore[arg-type]
    bound = iwae_bound(model, X, 8)
    assert int(model.likelihood.batches) == 1  # type: ignore[arg-type]
    assert model.training
    assert bool(torch.isfinite(bound).all())


def test_the_mode_and_the_generators_are_left_alone() -> None:
    model = ppca(VAE, wider=1.3).train()
    state = torch.get_rng_state()
    first = iwae_bound(model, X, 5, generator=torch.Generator().manual_seed(1))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first, iwae_bound(model, X, 5, generator=torch.Generator().manual_seed(1)))
    assert model.training
    assert not first.requires_grad
    assert first.shape == (20,)
    assert iwae_bound(model, X[:0], 5).shape == (0,)


def test_memory_does_not_grow_with_k() -> None:
    model = ppca(VAE)
    seen = []
    model.decoder.register_forward_hook(lambda module, args, output: seen.append(len(output)))
    iwae_bound(model, X, 5000, batch=100)
    assert max(seen) <= 100
    assert sum(seen) == 5000 * len(X)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"likelihood": SquaredError()}, "Gaussian"),
        ({"posterior": Point()}, r"DiagonalGaussian\(\)"),
        ({"prior": UniformCube(D)}, "StandardNormal"),
        ({"prior": Empirical(torch.zeros(3, D))}, "AggregatePosterior"),
        ({"prior": UniformSphere(D)}, r"PowerSpherical\(\)"),
        ({"posterior": PowerSpherical()}, "UniformSphere"),
    ],
)
def test_parts_that_cannot_work_together_say_what_would(parts: dict[str, object], words: str) -> None:
    with pytest.raises(CapabilityError, match=words):
        ppca(1.0 * IWAE(), **parts)
    if not {"posterior", "prior"} & parts.keys():
        with pytest.raises(CapabilityError, match=words):
            iwae_bound(ppca(Reconstruction() + Match(Energy()), **parts), X, 3)


def test_mistakes_are_explained() -> None:
    with pytest.raises(CapabilityError, match="dreg=False"):
        ppca(1.0 * IWAE(dreg=True), posterior=FlowPosterior(D))
    with pytest.raises(ConfigError, match="at least one draw"):
        IWAE(0)
    with pytest.raises(ConfigError, match="k ≥ 1"):
        iwae_bound(ppca(VAE), X, 0)
    shifted = Normal(torch.zeros(D), torch.eye(D))
    assert bool(torch.isfinite(iwae_bound(ppca(VAE, prior=shifted), X, 3)).all())
