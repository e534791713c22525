"""The algebra: terms add and scale, and each term is the formula it claims."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import Tensor, nn

from lather.divergences import CramerWold, Energy
from lather.errors import CapabilityError, ConfigError, ShapeError
from lather.models import (
    Autoencoder,
    Bernoulli,
    DecoderPenalty,
    DiagonalGaussian,
    FixedNoise,
    FullCovariance,
    Gaussian,
    LatentNorm,
    Match,
    Objective,
    Point,
    PosteriorKL,
    Reconstruction,
    Sphere,
    SquaredError,
    describe,
    rebuild,
)
from lather.models.nets import build_nets
from lather.priors import GaussianMixture, StandardNormal, UniformCube, UniformSphere
from lather.spec import build


def linear(objective: Objective, *, d: int = 3, features: int = 5, **parts: object) -> Autoencoder:
    torch.manual_seed(0)
    posterior = parts.get("posterior") or (DiagonalGaussian() if objective.density else Point())
    (width,) = posterior.output_shape((d,))  # type: ignore[attr-defined]
    return Autoencoder(
        nn.Linear(features, width),
        nn.Linear(d, features),
        **{"prior": StandardNormal(d), "objective": objective, "posterior": posterior, **parts},  # type: ignore[arg-type]
    ).double()


def number(scalar: Tensor) -> float:
    return scalar.detach().item()


X = torch.rand(64, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_sums_and_weights() -> None:
    objective = Reconstruction() + 2 * (Match(Energy()) + 0.5 * LatentNorm()) + Match(CramerWold())
    assert objective.weights == [1.0, 2.0, 1.0, 1.0]
    assert objective.names == ["reconstruction", "match", "latent_norm", "match_2"]
    assert repr(objective) == ("Reconstruction() + 2 * Match(Energy()) + LatentNorm() + Match(CramerWold())")
    values = linear(objective)(X, generator=torch.Generator().manual_seed(0))
    total = values["reconstruction"] + 2 * values["match"] + values["latent_norm"] + values["match_2"]
    assert torch.allclose(values["loss"], total)
    assert repr(sum([Reconstruction() * 1, 3 * Match(Energy())])) == "Reconstruction() + 3 * Match(Energy())"


def test_log_is_of_the_positive_form() -> None:
    term = Match(CramerWold()).log()
    values = linear(Reconstruction() + term)(X)
    plain = linear(Reconstruction() + Match(CramerWold(unbiased=False)))(X)
    assert torch.allclose(values["match"], plain["match"].log())
    logged = linear(Reconstruction() + LatentNorm().log())(X)
    assert torch.allclose(logged["log_latent_norm"], linear(LatentNorm() * 1)(X)["latent_norm"].log())


@pytest.mark.parametrize("weight", [-1, -1e-9, math.nan, math.inf, True])
def test_weights_that_make_no_sense_are_refused(weight: object) -> None:
    with pytest.raises(ConfigError, match="weight"):
        weight * Match(Energy())  # type: ignore[operator]


def test_an_objective_is_written_and_rebuilt() -> None:
    objective = Reconstruction() + 10 * Match(0.5 * Energy() + CramerWold(gamma=1.0)) + PosteriorKL(free_bits=0.1)
    again = build(json.loads(json.dumps(objective.spec())), Objective)
    assert repr(again) == repr(objective)
    assert again.weights == objective.weights


def test_the_vae_loss_is_the_negative_elbo() -> None:
    """Against a linear Gaussian model, whose evidence is known: ELBO at the true posterior = log p(x)."""
    d, features, sigma = 2, 4, 0.7
    generator = torch.Generator().manual_seed(3)
    w = torch.randn(features, d, generator=generator, dtype=torch.float64)
    x = torch.randn(400, features, generator=generator, dtype=torch.float64)
    precision = torch.eye(d, dtype=torch.float64) + w.T @ w / sigma**2
    covariance = torch.linalg.inv(precision)
    mean_map = covariance @ w.T / sigma**2

    class TruePosterior(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            factor = torch.linalg.cholesky(covariance)
            return encode_full(x @ mean_map.T, factor)

    posterior = FullCovariance()

    def encode_full(mean: Tensor, factor: Tensor) -> Tensor:
        # invert the posterior's own map from numbers to Cholesky factor by a few Newton-free fixed points
        target = factor.expand(len(mean), d, d)
        h = torch.zeros(len(mean), *posterior.output_shape((d,)), dtype=mean.dtype, requires_grad=True)
        optimizer = torch.optim.LBFGS([h], max_iter=200, tolerance_grad=1e-14, tolerance_change=1e-18)

        def closure() -> Tensor:
            optimizer.zero_grad()
            q = posterior(h, (d,))
            loss = (q.covariance_matrix - target @ target.mT).square().sum() + (q.mean - mean).square().sum()
            loss.backward()
            return loss.detach()

        with torch.enable_grad():
            optimizer.step(closure)
        return h.detach()

    decoder = nn.Linear(d, features, bias=False).double()
    decoder.weight.data = w
    model = Autoencoder(
        TruePosterior(),
        decoder,
        prior=StandardNormal(d).double(),
        objective=Reconstruction() + PosteriorKL(),
        posterior=posterior,
        likelihood=Gaussian(sigma=sigma),
    )
    draws = [number(model(x, generator=torch.Generator().manual_seed(s))["loss"]) for s in range(60)]
    evidence = torch.distributions.MultivariateNormal(
        torch.zeros(features, dtype=torch.float64), w @ w.T + sigma**2 * torch.eye(features)
    ).log_prob(x)
    estimate = torch.tensor(draws)
    assert number(estimate.mean()) == pytest.approx(
        -number(evidence.mean()), abs=4 * number(estimate.std()) / len(draws) ** 0.5
    )


def test_kl_against_a_mixture_is_estimated_without_bias() -> None:
    one = GaussianMixture(torch.zeros(1, 3), stds=1.0)  # N(0, I) in disguise: must agree with the closed form
    closed = number(linear(PosteriorKL() * 1)(X)["kl"])
    model = linear(PosteriorKL() * 1, prior=one)
    draws = torch.tensor([number(model(X, generator=torch.Generator().manual_seed(s))["kl"]) for s in range(300)])
    assert number(draws.mean()) == pytest.approx(closed, abs=4 * number(draws.std()) / 300**0.5)


def test_kl_variants() -> None:
    q = linear(PosteriorKL() * 1).encode(X)
    per_dimension = q.kl_per_dimension().mean(0)
    plain = number(per_dimension.sum())
    level = number(per_dimension.median())
    free = linear(PosteriorKL(free_bits=level) * 1)(X)["kl"]
    assert number(free) == pytest.approx(number(per_dimension.clamp(min=level).sum()))
    warm = linear(PosteriorKL(warmup=10) * 1)
    assert number(warm(X, t=0)["kl"]) == 0
    assert number(warm(X, t=5)["kl"]) == pytest.approx(plain / 2)
    assert number(warm(X, t=50)["kl"]) == pytest.approx(plain)
    held = linear(PosteriorKL(capacity=2.0, capacity_steps=4) * 1)
    assert number(held(X, t=1)["kl"]) == pytest.approx(abs(plain - 0.5))
    assert number(held(X, t=9)["kl"]) == pytest.approx(abs(plain - 2.0))


def test_latent_norm_is_of_the_mean_code() -> None:
    model = linear(LatentNorm() * 1, posterior=FixedNoise(0.5))
    q = model.encode(X)
    assert number(model(X)["latent_norm"]) == pytest.approx(number(q.mean.square().sum(-1).mean()))


def test_decoder_penalties() -> None:
    model = linear(DecoderPenalty("weights") * 1)
    expected = sum(number(p.square().sum()) for p in model.decoder.parameters())
    assert number(model(X)["decoder_penalty"]) == pytest.approx(expected)
    slopes = linear(DecoderPenalty("gradient") * 1)
    draws = torch.tensor(
        [number(slopes(X, generator=torch.Generator().manual_seed(s))["decoder_penalty"]) for s in range(300)]
    )
    exact = number(slopes.decoder.weight.square().sum())  # the Jacobian of a linear decoder
    assert number(draws.mean()) == pytest.approx(exact, abs=4 * number(draws.std()) / 300**0.5)
    values = slopes(X)
    values["loss"].backward()
    assert number(slopes.decoder.weight.grad.abs().sum()) > 0
    with torch.no_grad():
        assert torch.isfinite(slopes(X)["decoder_penalty"])


@pytest.mark.parametrize(
    "objective",
    [
        Reconstruction() + PosteriorKL(),
        Reconstruction() + 3 * Match(Energy()),
        Reconstruction() + LatentNorm() + DecoderPenalty("gradient"),
        Reconstruction() + Match(CramerWold()).log(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("likelihood", [SquaredError(), Gaussian(sigma="optimal"), Bernoulli()], ids=repr)
def test_gradients_of_whole_objectives(objective: Objective, likelihood: nn.Module) -> None:
    model = linear(objective, likelihood=likelihood).eval()
    weights = [p.detach().clone().requires_grad_() for p in model.parameters()]
    names = [name for name, _ in model.named_parameters()]

    def loss(*values: Tensor) -> Tensor:
        replaced = dict(zip(names, values, strict=True))
        generator = torch.Generator().manual_seed(7)
        return torch.func.functional_call(model, replaced, (X[:6],), {"generator": generator})["loss"]

    assert torch.autograd.gradcheck(loss, tuple(weights))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: linear(Reconstruction() + PosteriorKL(), posterior=Point()), "DiagonalGaussian"),
        (lambda: linear(Reconstruction() + Match(Energy()), prior=UniformSphere(3)), "posterior=Sphere"),
        (lambda: linear(Reconstruction() * 1, posterior=Sphere()), "UniformSphere"),
        (lambda: linear(PosteriorKL(free_bits=0.1) * 1, prior=UniformCube(3)), "StandardNormal"),
    ],
)
def test_parts_that_cannot_work_together_say_what_would(make: object, words: str) -> None:
    with pytest.raises(CapabilityError, match=words):
        make()  # type: ignore[operator]


def test_shapes_that_do_not_fit_are_explained() -> None:
    with pytest.raises(ConfigError, match="give the prior d=6"):
        linear(Reconstruction() * 1, latent_shape=(6,))
    model = linear(Reconstruction() * 1)
    with pytest.raises(ShapeError, match="latents of 3 numbers"):
        model.decode(torch.zeros(2, 4, dtype=torch.float64))
    model.decoder = nn.Linear(3, 4).double()
    with pytest.raises(ShapeError, match="shape of one sample"):
        model(X)
    with pytest.raises(ConfigError, match="not both"):
        PosteriorKL(free_bits=0.1, capacity=3)


def test_generating_reconstructing_and_encoding_leave_the_mode_alone() -> None:
    model = linear(Reconstruction() + PosteriorKL()).train()
    a = model.generate(5, generator=torch.Generator().manual_seed(2))
    b = model.generate(5, generator=torch.Generator().manual_seed(2), batch=2)
    assert torch.allclose(a, b)
    assert not a.requires_grad
    assert model.training
    mean, std = model.latents(X, batch=10)
    assert mean.shape == std.shape == (64, 3)
    assert torch.allclose(model.reconstruct(X, batch=7), model.decode(mean).mean)
    with pytest.raises(ShapeError, match="d=4"):
        model.generate(2, prior=StandardNormal(4))


def test_spatial_latents_are_one_vector_to_the_matching_side() -> None:
    encoder, decoder = build_nets("conv", (1, 12, 12), (2, 3, 3), (2, 3, 3), width=8)
    model = Autoencoder(
        encoder,
        decoder,
        prior=StandardNormal(18),
        objective=Reconstruction() + Match(Energy()),
        latent_shape=(2, 3, 3),
    )
    step = model.step(torch.rand(4, 1, 12, 12))
    assert step.z.shape == step.matched.shape == (4, 18)
    assert model.generate(2).shape == (2, 1, 12, 12)
    again = rebuild(json.loads(json.dumps(describe(model))))
    again.load_state_dict(model.state_dict())
    x = torch.rand(3, 1, 12, 12)
    assert torch.equal(again.reconstruct(x), model.reconstruct(x))


def test_a_custom_network_must_be_given_to_rebuild() -> None:
    model = linear(Reconstruction() * 1)
    data = json.loads(json.dumps(describe(model)))
    with pytest.raises(ConfigError, match="network of your own"):
        rebuild(data)
    again = rebuild(data, encoder=model.encoder, decoder=model.decoder)
    assert torch.equal(again.reconstruct(X), model.reconstruct(X))
