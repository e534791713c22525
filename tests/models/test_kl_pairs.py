"""Every posterior with every prior: the KL is right, or the pair is refused with what would work."""

from __future__ import annotations

import math
import re

import pytest
import torch
from torch import Tensor, nn

from lather.errors import CapabilityError
from lather.models import (
    Autoencoder,
    DiagonalGaussian,
    FixedNoise,
    FlowPosterior,
    FullCovariance,
    Parts,
    Point,
    Posterior,
    PosteriorKL,
    PowerSpherical,
    Sphere,
)
from lather.models.densities import bounded_by_evidence
from lather.models.kl import kl_per_datum
from lather.models.likelihoods import Gaussian
from lather.priors import (
    AggregatePosterior,
    Empirical,
    FlowPrior,
    GaussianMixture,
    LaplacePrior,
    Normal,
    Prior,
    StandardNormal,
    StudentT,
    UniformBall,
    UniformCube,
    UniformSphere,
    VampPrior,
)
from lather.spec import known

POSTERIORS = [
    DiagonalGaussian(),
    FixedNoise(0.5),
    FlowPosterior(2, context=2, hidden=(8,)),
    FullCovariance(),
    Point(),
    PowerSpherical(),
    Sphere(),
]


def aggregate() -> Prior:
    generator = torch.Generator().manual_seed(0)
    return AggregatePosterior(torch.randn(30, 2, generator=generator), torch.rand(30, 2, generator=generator) + 0.5)


def flow() -> Prior:
    pytest.importorskip("zuko")
    return FlowPrior(2, hidden=(8,), transforms=1)


def vamp() -> Prior:
    return VampPrior(2, torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))


PRIORS = {
    "AggregatePosterior": aggregate,
    "Empirical": lambda: Empirical(torch.zeros(5, 2)),
    "FlowPrior": flow,
    "GaussianMixture": lambda: GaussianMixture.scattered(2, k=3),
    "LaplacePrior": lambda: LaplacePrior(2),
    "Normal": lambda: Normal(torch.tensor([0.5, -0.2]), torch.tensor([[1.0, 0.6], [0.6, 1.0]])),
    "StandardNormal": lambda: StandardNormal(2),
    "StudentT": lambda: StudentT(2),
    "UniformBall": lambda: UniformBall(2),
    "UniformCube": lambda: UniformCube(2),
    "UniformSphere": lambda: UniformSphere(2),
    "VampPrior": vamp,
}
NO_DENSITY, BOUNDED = {"Empirical"}, {"UniformBall", "UniformCube"}


def test_every_pair_is_tested_here() -> None:
    assert set(known(Posterior)) == {type(p).__name__ for p in POSTERIORS}
    # fitted afterwards, never trained against; known once their packages are imported
    samplers = {"SecondStage", "Affine", "FlowMatching", "Pool"}
    assert set(known(Prior)) - samplers == set(PRIORS)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("posterior", POSTERIORS, ids=lambda p: type(p).__name__)
def test_a_pair_works_or_says_what_would(posterior: Posterior, prior: str) -> None:
    law = PRIORS[prior]()
    torch.manual_seed(1)
    encoder = nn.Linear(4, *posterior.output_shape((2,)))
    works = (
        posterior.density and prior not in NO_DENSITY | BOUNDED and posterior.euclidean == (prior != "UniformSphere")
    )
    assert bounded_by_evidence(Parts(law, posterior, Gaussian())) == works

    def build() -> Autoencoder:
        return Autoencoder(encoder, nn.Linear(2, 4), prior=law, objective=1.0 * PosteriorKL(), posterior=posterior)

    if not works:
        with pytest.raises(CapabilityError) as error:
            build()
        named = re.findall(r"(\w+)\(", str(error.value).partition("; use ")[2])
        assert set(named) & {*known(Posterior), *known(Prior), "Match"}, str(error.value)
        return
    model = build().double()
    x = torch.randn(2, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    with torch.no_grad():
        exact = quadrature(model, x)
        copies = x.repeat_interleave(3000, 0)
        q = model.encode(copies)
        found = kl_per_datum(q, model.prior, q.draw(torch.Generator().manual_seed(3))).unflatten(0, (2, 3000))
    error = 5 * found.std(1) / math.sqrt(3000) + 1e-4  # AggregatePosterior is exact to 1e-4
    assert bool(((found.mean(1) - exact).abs() < error).all()), (found.mean(1), exact, error)
    loss = model(x)["loss"]
    loss.backward()
    assert model.encoder.weight.grad is not None
    assert bool(torch.isfinite(model.encoder.weight.grad).all())


def quadrature(model: Autoencoder, x: Tensor) -> Tensor:
    """∫ q (log q − log p), on a grid of the plane, or on the circle."""
    q = model.encode(x)
    if model.prior.euclidean:
        axis = torch.linspace(-9, 9, 241, dtype=torch.float64)
        z, cell = torch.cartesian_prod(axis, axis), (18 / 240) ** 2
    else:
        angle = torch.arange(20_000, dtype=torch.float64) * (2 * math.pi / 20_000)
        z, cell = torch.stack([angle.cos(), angle.sin()], 1), 2 * math.pi / 20_000
    log_q = q.log_prob(z.unsqueeze(1).expand(-1, 2, 2))
    log_p = model.prior.log_prob(z).unsqueeze(1)
    mass = log_q.exp() * cell
    torch.testing.assert_close(mass.sum(0), torch.ones(2, dtype=torch.float64), atol=1e-4, rtol=0)
    return (mass * (log_q - log_p)).sum(0)


@pytest.mark.parametrize("posterior", [FlowPosterior(2), PowerSpherical()], ids=lambda p: type(p).__name__)
def test_free_bits_need_a_kl_by_dimension(posterior: Posterior) -> None:
    prior = StandardNormal(2) if posterior.euclidean else UniformSphere(2)
    with pytest.raises(CapabilityError, match=r"capacity="):
        PosteriorKL(free_bits=0.1).check(Parts(prior, posterior, Gaussian()))


def test_a_prior_on_the_sphere_brings_a_posterior_with_a_density_where_one_is_needed() -> None:
    model = Autoencoder(nn.Linear(4, 4), nn.Linear(3, 4), prior=UniformSphere(3), objective=1.0 * PosteriorKL())
    assert isinstance(model.posterior, PowerSpherical)
    x = torch.randn(5, 4)
    assert torch.allclose(model.step(x).z.norm(dim=1), torch.ones(5), atol=1e-5)
    centre = model.encode(x).centre
    assert torch.allclose(centre.norm(dim=1), torch.ones(5))
    assert torch.allclose(model.reconstruct(x), model.eval().decode(centre).mean)  # decoded on the sphere
    mean, std = model.latents(x)
    assert bool((mean.norm(dim=1) < 0.999).all())  # the moments are those of q
    assert bool((std > 0).all())
