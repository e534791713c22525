"""Every registered prior: draws follow its own density, laws and projections; it can be written and rebuilt."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import integrate, stats

from lather.errors import ConfigError, ShapeError
from lather.priors import (
    PRIORS,
    GaussianMixture,
    Prior,
    StandardNormal,
    UniformCube,
    UniformSphere,
    make_prior,
)
from lather.spec import build

EVERY = list(PRIORS)


def full_mixture(d: int = 2) -> GaussianMixture:
    a = torch.randn(3, d, d, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    means = torch.randn(3, d, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return GaussianMixture(means, covariances=a @ a.mT + 0.3 * torch.eye(d), weights=torch.tensor([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("name", EVERY)
def test_shapes_dtype_and_reproducibility(name: str) -> None:
    prior = make_prior(name, 5)
    assert prior().event_shape == (5,)
    first = prior.sample(7, generator=torch.Generator().manual_seed(3))
    again = prior.sample(7, generator=torch.Generator().manual_seed(3))
    other = prior.sample(7, generator=torch.Generator().manual_seed(4))
    assert first.shape == (7, 5)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert prior.log_prob(first).shape == (7,)
    assert prior.double().sample(2).dtype == torch.float64


@pytest.mark.parametrize("name", EVERY)
def test_the_base_class_draws_from_the_same_law_without_touching_the_global_generator(name: str) -> None:
    prior = make_prior(name, 3)
    before = torch.random.get_rng_state()
    z = Prior.sample(prior, 4000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(before, torch.random.get_rng_state())
    w = prior.sample(4000, generator=torch.Generator().manual_seed(1))
    for j in range(3):
        assert stats.ks_2samp(z[:, j], w[:, j]).pvalue > 1e-3


@pytest.mark.parametrize("prior", [StandardNormal(2), UniformCube(2), GaussianMixture.scattered(2), full_mixture()])
def test_density_integrates_to_one_in_two_dimensions(prior: Prior) -> None:
    prior = prior.double()
    edge = math.sqrt(3) if isinstance(prior, UniformCube) else 12.0
    nodes = torch.linspace(-edge, edge, 1001, dtype=torch.float64)[:-1] + edge / 1000
    grid = torch.cartesian_prod(nodes, nodes)
    total = prior.log_prob(grid).exp().sum() * (2 * edge / 1000) ** 2
    assert float(total) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("prior", [StandardNormal(3), GaussianMixture.scattered(3), full_mixture(3)])
def test_projections_follow_along(prior: Prior) -> None:
    prior = prior.double()
    v = torch.nn.functional.normalize(torch.randn(2, 3, dtype=torch.float64), dim=-1)
    law = prior.along(v)
    assert law is not None
    assert law.batch_shape == (2,)
    projected = prior.sample(20_000, generator=torch.Generator().manual_seed(5)) @ v.T
    u = law.cdf(projected)
    for j in range(2):
        assert stats.kstest(u[:, j], "uniform").pvalue > 1e-3


def test_radius_and_distance_laws_of_the_normal() -> None:
    prior = StandardNormal(7).double()
    t = torch.tensor([0.5, 3.0, 7.0, 20.0], dtype=torch.float64)
    assert torch.allclose(prior.squared_radius().cdf(t), torch.tensor(stats.chi2(7).cdf(t)), atol=1e-12)
    assert torch.allclose(prior.squared_distance().cdf(t), torch.tensor(stats.chi2(7).cdf(t / 2)), atol=1e-12)


def test_sphere_area_and_uniformity(generator: torch.Generator) -> None:
    prior = UniformSphere(4).double()
    z = prior.sample(20_000, generator=generator)
    assert torch.allclose(z.norm(dim=-1), torch.ones(20_000, dtype=torch.float64))
    # density of one coordinate: ∝ (1 − t²)^{(d−3)/2}
    mass, _ = integrate.quad(lambda t: math.sqrt(1 - t * t), -1, 1)
    law = stats.rv_histogram(
        (
            [integrate.quad(lambda t: math.sqrt(1 - t * t), a / 50, (a + 1) / 50)[0] / mass for a in range(-50, 50)],
            torch.linspace(-1, 1, 101).numpy(),
        ),
        density=False,
    )
    assert stats.kstest(z[:, 0], law.cdf).pvalue > 1e-3
    assert float(prior.log_prob(z[:1])) == pytest.approx(-math.log(2 * math.pi**2))  # area of S³
    assert float(prior().entropy()) == pytest.approx(math.log(2 * math.pi**2))


def test_scattered_mixture_has_unit_second_moment() -> None:
    second = torch.stack([GaussianMixture.scattered(8, seed=s).sample(500).square().mean() for s in range(40)])
    assert float(second.mean()) == pytest.approx(1.0, abs=5 * float(second.std()) / math.sqrt(40))


@pytest.mark.parametrize("prior", [make_prior(name, 4) for name in EVERY] + [full_mixture()])
def test_written_and_rebuilt(prior: Prior) -> None:
    again = build(prior.spec(), Prior)
    assert type(again) is type(prior)
    z = prior.sample(3)
    assert torch.allclose(again.log_prob(z), prior.log_prob(z))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: StandardNormal(0), "at least one dimension"),
        (lambda: UniformSphere(1), "two dimensions"),
        (lambda: UniformCube(2, 1.0, 1.0), "low < high"),
        (lambda: GaussianMixture(torch.zeros(2, 3), stds=-1.0), "positive"),
        (lambda: GaussianMixture(torch.zeros(2, 3)), "one of the two"),
        (lambda: GaussianMixture(torch.zeros(2, 3), stds=1.0, weights=torch.tensor([1.0, 0.0])), "positive"),
        (lambda: GaussianMixture(torch.zeros(1, 2), covariances=torch.zeros(1, 2, 2)), "positive definite"),
        (lambda: make_prior("gauss", 2), "there are: normal"),
    ],
)
def test_mistakes_are_explained(make: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()  # type: ignore[operator]


def test_wrong_shapes_are_explained() -> None:
    with pytest.raises(ShapeError, match=r"\(k, d\)"):
        GaussianMixture(torch.zeros(3), stds=1.0)
    with pytest.raises(ShapeError, match=r"\(1, 2, 2\)"):
        GaussianMixture(torch.zeros(1, 2), covariances=torch.zeros(2, 2))
