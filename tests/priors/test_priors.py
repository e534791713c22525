"""Every registered prior: draws follow its own density, laws and projections; it can be written and rebuilt."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import integrate, stats

from lather.errors import CapabilityError, ConfigError, ShapeError
from lather.priors import (
    PRIORS,
    Empirical,
    GaussianMixture,
    LaplacePrior,
    Normal,
    Prior,
    StandardNormal,
    StudentT,
    UniformBall,
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


def correlated(d: int = 2) -> Normal:
    a = torch.randn(d, d, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return Normal(torch.arange(d) / 2.0, a @ a.mT + 0.3 * torch.eye(d))


def stretched(d: int = 2) -> Normal:
    return Normal(torch.full((d,), -0.5), torch.linspace(0.5, 2.0, d))


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


@pytest.mark.parametrize(
    "prior",
    [
        StandardNormal(2),
        UniformCube(2),
        GaussianMixture.scattered(2),
        full_mixture(),
        correlated(),
        stretched(),
    ],
)
def test_density_integrates_to_one_in_two_dimensions(prior: Prior) -> None:
    prior = prior.double()
    edge = math.sqrt(3) if isinstance(prior, UniformCube) else 12.0
    nodes = torch.linspace(-edge, edge, 1001, dtype=torch.float64)[:-1] + edge / 1000
    grid = torch.cartesian_prod(nodes, nodes)
    total = prior.log_prob(grid).exp().sum() * (2 * edge / 1000) ** 2
    assert float(total) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    "prior", [StandardNormal(3), GaussianMixture.scattered(3), full_mixture(3), correlated(3), stretched(3)]
)
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


@pytest.mark.parametrize(
    ("prior", "radial"),
    [
        (UniformBall(3), lambda p, r: p.squared_radius().cdf(r**2)),
        (UniformBall(1, 0.7), lambda p, r: p.squared_radius().cdf(r**2)),
        (StudentT(3), lambda p, r: torch.tensor(stats.f(3, 5).cdf(r**2 * 5 / 9))),
        (StudentT(4, df=2.5, scale=2.0), lambda p, r: torch.tensor(stats.f(4, 2.5).cdf(r**2 / 16))),
    ],
)
def test_radial_densities_integrate_to_their_law(prior: Prior, radial: object) -> None:
    prior, d = prior.double(), prior.d
    area = 2 * math.pi ** (d / 2) / math.gamma(d / 2)

    def density(r: float) -> float:
        z = torch.zeros(1, d, dtype=torch.float64)
        z[0, 0] = r
        return float(prior.log_prob(z).exp()) * area * r ** (d - 1)

    for r in (0.3, 0.65):
        mass, _ = integrate.quad(density, 0, r)
        assert mass == pytest.approx(float(radial(prior, torch.tensor(r, dtype=torch.float64))), abs=1e-7)  # type: ignore[operator]
    r = prior.sample(20_000, generator=torch.Generator().manual_seed(6)).norm(dim=1)
    assert stats.kstest(radial(prior, r).numpy(), "uniform").pvalue > 1e-3  # type: ignore[operator]


@pytest.mark.parametrize("prior", [UniformBall(3), StudentT(3), LaplacePrior(3), UniformCube(3), StandardNormal(3)])
def test_unit_variance_and_the_distributions_own_moments(prior: Prior) -> None:
    z = prior.double().sample(200_000, generator=torch.Generator().manual_seed(7))
    moment = z.square().mean()
    assert float(moment) == pytest.approx(1.0, abs=5 * float(z.square().std()) / math.sqrt(600_000))
    assert torch.allclose(prior().variance, torch.ones(3, dtype=torch.float64), atol=1e-6)
    assert torch.equal(prior().mean, torch.zeros(3, dtype=torch.float64))


def test_outside_of_the_ball_there_is_nothing() -> None:
    prior = UniformBall(2, radius=2.0)
    z = torch.tensor([[0.0, 2.0], [0.0, 2.001], [2.0, 2.0]])
    assert prior.log_prob(z).tolist() == [pytest.approx(-math.log(4 * math.pi)), -math.inf, -math.inf]
    assert float(prior().entropy()) == pytest.approx(math.log(4 * math.pi))
    law = prior.squared_radius()
    t = torch.tensor([0.5, 3.9])
    assert torch.allclose(law.icdf(law.cdf(t)), t)
    total, _ = integrate.quad(lambda q: float(law.log_prob(torch.tensor(q)).exp()), 0, 4)
    assert total == pytest.approx(1.0, abs=1e-5)
    assert float(law.sample((20_000,)).mean()) == pytest.approx(float(law.mean), abs=0.05)
    assert law.cdf(torch.tensor([-1.0, 9.0])).tolist() == [0.0, 1.0]


def test_laplace_coordinates() -> None:
    prior = LaplacePrior(2).double()
    z = prior.sample(20_000, generator=torch.Generator().manual_seed(8))
    assert stats.kstest(z.flatten(), stats.laplace(scale=math.sqrt(0.5)).cdf).pvalue > 1e-3
    expected = stats.laplace(scale=math.sqrt(0.5)).logpdf(z.numpy()).sum(1)
    assert torch.allclose(prior.log_prob(z), torch.tensor(expected), atol=1e-6)


def test_student_matches_scipy_and_every_projection_is_a_t() -> None:
    prior = StudentT(3, df=4.0).double()
    z = prior.sample(20_000, generator=torch.Generator().manual_seed(9))
    reference = stats.multivariate_t(shape=0.5 * torch.eye(3).numpy(), df=4.0)
    assert torch.allclose(prior.log_prob(z), torch.tensor(reference.logpdf(z.numpy())), atol=1e-6)
    v = torch.nn.functional.normalize(torch.tensor([[1.0, 2.0, -2.0]], dtype=torch.float64), dim=1)
    assert stats.kstest((z @ v.T).flatten(), stats.t(4.0, scale=math.sqrt(0.5)).cdf).pvalue > 1e-3
    t = torch.tensor([[0.3]], dtype=torch.float64)
    assert float(prior.along(v).log_prob(t)) == pytest.approx(stats.t(4.0, scale=math.sqrt(0.5)).logpdf(0.3), abs=1e-6)


def test_laws_of_an_isotropic_normal_and_of_no_other() -> None:
    full = Normal(torch.zeros(5), 4 * torch.eye(5)).double()
    diagonal = Normal(torch.zeros(5), torch.full((5,), 4.0)).double()
    t = torch.tensor([2.0, 20.0, 60.0], dtype=torch.float64)
    for prior in (full, diagonal):
        assert torch.allclose(prior.squared_radius().cdf(t), torch.tensor(stats.chi2(5).cdf(t / 4)), atol=1e-9)
        assert torch.allclose(prior.squared_distance().cdf(t), torch.tensor(stats.chi2(5).cdf(t / 8)), atol=1e-9)
    moved = Normal(torch.ones(5), torch.ones(5))
    assert moved.squared_radius() is None
    assert moved.squared_distance() is not None
    assert stretched(5).squared_distance() is None
    assert correlated(5).squared_radius() is None


def test_empirical_draws_its_own_rows_each_as_often() -> None:
    z = torch.randn(10, 3)
    prior = Empirical(z)
    draws = prior.sample(20_000, generator=torch.Generator().manual_seed(0))
    match = (draws.unsqueeze(1) == z).all(-1)
    assert bool((match.sum(1) == 1).all())
    assert stats.chisquare(match.sum(0).numpy()).pvalue > 1e-3
    assert torch.equal(
        prior.sample(5, generator=torch.Generator().manual_seed(1)).sum(),
        prior.sample(5, generator=torch.Generator().manual_seed(1)).sum(),
    )
    assert prior.double().sample(2).dtype == torch.float64
    assert prior().sample((2, 3)).shape == (2, 3, 3)
    with pytest.raises(CapabilityError, match=r"Match\(Energy"):
        prior.log_prob(z)


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


@pytest.mark.parametrize("prior", [make_prior(name, 4) for name in EVERY] + [full_mixture(), correlated()])
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
        (lambda: UniformBall(0), "at least one dimension"),
        (lambda: UniformBall(2, -1.0), "positive"),
        (lambda: LaplacePrior(0), "at least one dimension"),
        (lambda: LaplacePrior(2, math.inf), "positive"),
        (lambda: StudentT(0), "at least one dimension"),
        (lambda: StudentT(2, df=2.0), "finite variance"),
        (lambda: StudentT(2, scale=0.0), "positive"),
        (lambda: Normal(torch.zeros(2), torch.zeros(2)), "positive"),
        (lambda: Normal(torch.zeros(2), torch.ones(2, 2)), "positive definite"),
        (lambda: Normal(torch.zeros(2), torch.tensor([[1.0, 0.5], [0.0, 1.0]])), "symmetric"),
        (lambda: Normal(torch.tensor([math.nan]), torch.ones(1)), "finite"),
        (lambda: Empirical(torch.tensor([[math.nan], [1.0]])), "1 of 2 rows"),
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
    with pytest.raises(ShapeError, match=r"\(d,\)"):
        Normal(torch.zeros(1, 2), torch.ones(2))
    with pytest.raises(ShapeError, match=r"\(3, 3\)"):
        Normal(torch.zeros(3), torch.ones(2))
    with pytest.raises(ShapeError, match=r"\(n, d\)"):
        Empirical(torch.zeros(3))
