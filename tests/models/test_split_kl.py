"""The KL in three parts: against the exact mixture, and as a sum that telescopes."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor, nn

from lather.errors import CapabilityError, ConfigError
from lather.models import (
    Autoencoder,
    DiagonalGaussian,
    FlowPosterior,
    FullCovariance,
    PosteriorKL,
    Reconstruction,
    SplitKL,
)
from lather.models.step import Step
from lather.priors import AggregatePosterior, GaussianMixture, LaplacePrior, Normal, Prior, StandardNormal

D, N = 3, 40
X = torch.randn(N, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
LAWS = [DiagonalGaussian(), FullCovariance()]


def model(term: SplitKL, posterior: object = None, prior: Prior | None = None) -> Autoencoder:
    torch.manual_seed(0)
    posterior = posterior or DiagonalGaussian()
    (width,) = posterior.output_shape((D,))  # type: ignore[attr-defined]
    return Autoencoder(
        nn.Linear(5, width),
        nn.Linear(D, 5),
        prior=prior or StandardNormal(D),
        objective=Reconstruction() + term,
        posterior=posterior,  # type: ignore[arg-type]
    ).double()


def parts(term: SplitKL, step: Step) -> dict[str, float]:
    value = term(step)
    readings = {name: float(reading) for name, reading in term.readings().items()}
    assert set(readings) == {"mi", "tc", "dimwise"}
    assert float(value.detach()) == pytest.approx(sum(term.weights[name] * readings[name] for name in readings))
    return readings


@pytest.mark.parametrize("posterior", LAWS, ids=repr)
def test_where_the_batch_is_the_population_the_parts_are_those_of_the_mixture(posterior: object) -> None:
    term = PosteriorKL.split(population=N)
    step = model(term, posterior).step(X, generator=torch.Generator().manual_seed(2))
    found = parts(term, step)
    q, z = step.q, step.z.detach()
    mean, std = q.mean.detach(), q.stddev.detach()
    if isinstance(posterior, DiagonalGaussian):
        log_mixture = AggregatePosterior(mean, std).log_prob(z)
    else:
        each = [torch.distributions.MultivariateNormal(m, scale_tril=t) for m, t in zip(q.location, q.scale_tril)]  # type: ignore[attr-defined]  # noqa: B905
        log_mixture = torch.stack([law.log_prob(z) for law in each]).logsumexp(0).detach() - math.log(N)
    log_marginals = sum(AggregatePosterior(mean[:, [j]], std[:, [j]]).log_prob(z[:, [j]]) for j in range(D))
    assert found["mi"] == pytest.approx(float((q.log_prob(z) - log_mixture).mean().detach()), abs=1e-3)
    assert found["tc"] == pytest.approx(float((log_mixture - log_marginals).mean()), abs=1e-3)
    assert found["dimwise"] == pytest.approx(float((log_marginals - step.prior.log_prob(z)).mean()), abs=1e-3)


@pytest.mark.parametrize("sampling", ["stratified", "weighted"])
@pytest.mark.parametrize("prior", [StandardNormal(D), LaplacePrior(D)], ids=repr)
@pytest.mark.parametrize("posterior", LAWS, ids=repr)
def test_equal_weights_give_the_one_draw_kl(sampling: str, prior: Prior, posterior: object) -> None:
    term = PosteriorKL.split(population=1000, tc=1.0, sampling=sampling)
    step = model(term, posterior, prior).step(X)
    torch.testing.assert_close(term(step), (step.q.log_prob(step.z) - step.prior.log_prob(step.z)).mean())


def test_the_stratified_mixture_is_unbiased_and_the_weighted_one_is_what_the_paper_says() -> None:
    """Mean of the estimated density over batches of 8 from the population, at the first datum's draw."""
    term = PosteriorKL.split(population=N)
    step = model(term).step(X, generator=torch.Generator().manual_seed(3))
    q, z = step.q, step.z[:1]
    each = q.log_prob(z.expand(N, D)).detach().exp()  # q(z | x_j)
    exact = float(each.mean())
    n, generator = 8, torch.Generator().manual_seed(4)
    estimates = []
    weighted = []
    for _ in range(4000):
        batch = torch.cat([torch.zeros(1, dtype=torch.long), 1 + torch.randperm(N - 1, generator=generator)[: n - 1]])
        weights = term._log_weights(n)[0].exp()
        estimates.append(float((weights * each[batch]).sum()))
        weighted.append(float(each[batch].sum()) / (N * n))
    error = 4 * torch.tensor(estimates).std() / math.sqrt(4000)
    assert float(torch.tensor(estimates).mean()) == pytest.approx(exact, abs=float(error))
    flat = PosteriorKL.split(population=N, sampling="weighted")._log_weights(n)
    torch.testing.assert_close(flat.exp(), torch.full((n, n), 1 / (N * n), dtype=torch.float64))
    assert float(torch.tensor(weighted).mean()) < 0.5 * exact


def test_total_correlation_of_independent_and_dependent_latents() -> None:
    """Draws along a line have much, draws of independent coordinates none."""

    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([x, x.new_full(x.shape, -1.5)], dim=1)

    generator = torch.Generator().manual_seed(5)
    free = torch.randn(600, 2, generator=generator, dtype=torch.float64)
    line = free[:, :1].expand(600, 2)
    found = {}
    for name, x in {"free": free, "line": line}.items():
        term = PosteriorKL.split(population=600)
        network = Autoencoder(Fixed(), nn.Linear(2, 2), prior=StandardNormal(2), objective=1.0 * term).double()
        found[name] = parts(term, network.step(x, generator=generator))
    assert abs(found["free"]["tc"]) < 0.1
    variance = math.exp(-1.5)
    correlation = 1 / (1 + variance)  # q(z) is close to a Gaussian with this
    assert found["line"]["tc"] == pytest.approx(-0.5 * math.log(1 - correlation**2), abs=0.1)


@pytest.mark.parametrize("sampling", ["stratified", "weighted"])
def test_gradients(sampling: str) -> None:
    network = model(PosteriorKL.split(population=500, sampling=sampling))
    weights = {name: p.detach().clone().requires_grad_() for name, p in network.encoder.named_parameters()}
    term = network.objective.terms[1]

    def value(*values: Tensor) -> Tensor:
        h = torch.func.functional_call(network.encoder, dict(zip(weights, values, strict=True)), (X[:5],))
        q = network.posterior(h, (D,))
        z = q.draw(torch.Generator().manual_seed(0))
        step = network.step(X[:5])
        return term(dataclasses.replace(step, q=q, z=z, matched=z))

    assert torch.autograd.gradcheck(value, tuple(weights.values()))


@pytest.mark.parametrize("posterior", LAWS, ids=repr)
def test_several_processes_see_the_population_of_the_whole_batch(posterior: object) -> None:
    """Two halves, each with what the other would send it, give the value of the whole."""
    term = PosteriorKL.split(population=300)
    whole = model(term, posterior).step(X, generator=torch.Generator().manual_seed(6))
    expected = term(whole)
    rows = {}
    for name in ("location", "log_variance", "scale_tril"):
        if hasattr(whole.q, name):
            rows[name] = getattr(whole.q, name).flatten(1)
    half = model(term, posterior).encode(X[: N // 2])

    def gather(part: Tensor) -> Tensor:
        (found,) = [
            full for full in rows.values() if full.shape[1] == part.shape[1] and torch.equal(full[: N // 2], part)
        ]
        return found

    step = dataclasses.replace(whole, q=half, z=whole.z[: N // 2], gather=gather)
    torch.testing.assert_close(term(step), expected)


def test_batches_of_one_and_larger_than_the_population() -> None:
    term = PosteriorKL.split(population=10)
    network = model(term)
    for n in (1, N):
        assert math.isfinite(float(term(network.step(X[:n])).detach()))
    torch.testing.assert_close(term._log_weights(4).exp().sum(1), torch.ones(4, dtype=torch.float64))


def test_it_is_shown_and_written() -> None:
    network = model(PosteriorKL.split(population=50, tc=2.0))
    assert repr(network.objective) == "Reconstruction() + SplitKL(population=50, tc=2.0)"
    values = network(X)
    assert {"split_kl", "split_kl_mi", "split_kl_tc", "split_kl_dimwise"} < set(values)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"prior": GaussianMixture.scattered(D, k=2)}, r"StandardNormal\(d\)"),
        ({"prior": Normal(torch.zeros(D), torch.eye(D))}, "not independent"),
        ({"posterior": FlowPosterior(D)}, r"DiagonalGaussian\(\)"),
    ],
)
def test_parts_that_cannot_work_together_say_what_would(parts: dict[str, object], words: str) -> None:
    with pytest.raises(CapabilityError, match=words):
        model(PosteriorKL.split(population=50), **parts)  # type: ignore[arg-type]


def test_independent_priors_are_taken() -> None:
    model(PosteriorKL.split(population=50), prior=Normal(torch.zeros(D), torch.ones(D)))(X)["loss"].backward()


@pytest.mark.parametrize(
    ("options", "words"),
    [({"tc": -1.0}, "tc ≥ 0"), ({"population": 1}, "at least 2"), ({"sampling": "x"}, "stratified")],
)
def test_settings_out_of_range(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        PosteriorKL.split(**{"population": 10, **options})  # type: ignore[arg-type]
