"""The samplers that repair latents: densities are densities, draws follow them, and held-out latents choose."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lather.divergences import Energy
from lather.errors import ConfigError, DataError, ShapeError
from lather.priors import (
    Affine,
    AggregatePosterior,
    Empirical,
    FlowMatching,
    FlowPrior,
    Prior,
    StandardNormal,
    UniformSphere,
)
from lather.priors.velocity import Velocity
from lather.samplers import choose_mixture, fit_aggregate, fit_flow, fit_flow_matching, fit_gaussian
from lather.samplers.expectation import Products, expectation_maximisation
from lather.samplers.mixture import em
from lather.samplers.sample import whitened
from lather.spec import build
from lather.train.sampler import load_sampler, save_sampler


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ring(n: int, seed: int = 0) -> Tensor:
    """A ring of radius 2 and width 0.2 in the plane, stretched: no Gaussian."""
    g = seeded(seed)
    angle, radius = 2 * math.pi * torch.rand(n, generator=g), 2 + 0.2 * torch.randn(n, generator=g)
    return torch.stack([3 * radius * angle.cos() + 5, radius * angle.sin()], 1)


def mass(prior: Prior, reach: float = 14.0, cells: int = 100) -> float:
    """∫ p over a square in the plane around (5, 0)."""
    side = torch.linspace(-reach, reach, cells)
    points = torch.cartesian_prod(side, side) + torch.tensor([5.0, 0.0])
    with torch.no_grad():
        return float(prior.log_prob(points).double().exp().sum()) * float(side[1] - side[0]) ** 2


# affine ------------------------------------------------------------------------------------------------------------
def test_an_affine_prior_is_the_gaussian_it_makes_of_a_standard_one() -> None:
    a, m = torch.tensor([[2.0, 0.0], [1.0, -0.5]]), torch.tensor([1.0, -3.0])
    prior = Affine(StandardNormal(2), m, a)
    z = torch.randn(50, 2, generator=seeded())
    exact = torch.distributions.MultivariateNormal(m, a @ a.T).log_prob(z)
    torch.testing.assert_close(prior.log_prob(z), exact, rtol=1e-5, atol=1e-4)
    draws = prior.sample(40_000, generator=seeded())
    torch.testing.assert_close(draws.T.cov(), a @ a.T, rtol=0.05, atol=0.05)
    torch.testing.assert_close(draws.mean(0), m, rtol=0, atol=0.05)
    diagonal = Affine(StandardNormal(2), m, torch.tensor([2.0, 0.5]))
    exact = torch.distributions.Normal(m, torch.tensor([2.0, 0.5])).log_prob(z).sum(1)
    torch.testing.assert_close(diagonal.log_prob(z), exact, rtol=1e-5, atol=1e-4)


def test_an_affine_prior_refuses_what_cannot_be_undone() -> None:
    base, m = StandardNormal(2), torch.zeros(2)
    with pytest.raises(ConfigError, match="inverted"):
        Affine(base, m, torch.ones(2, 2))
    with pytest.raises(ConfigError, match="positive"):
        Affine(base, m, torch.tensor([1.0, 0.0]))
    with pytest.raises(ConfigError, match="finite"):
        Affine(base, m, torch.tensor([1.0, torch.nan]))
    with pytest.raises(ShapeError, match="scale"):
        Affine(base, m, torch.ones(3))
    with pytest.raises(ConfigError, match="no density"):
        Affine(UniformSphere(2), m, torch.ones(2))


def test_whitened_latents_are_uncorrelated_and_come_back() -> None:
    z = ring(500).double()
    data = whitened(z, least=20, who="a test")
    torch.testing.assert_close(data.values.T.cov(), torch.eye(2, dtype=torch.float64), rtol=0, atol=1e-9)
    torch.testing.assert_close(data.shift + data.values @ data.scale.T, z, rtol=0, atol=1e-9)
    torch.testing.assert_close(data.same(z), data.values, rtol=0, atol=1e-9)


# flow matching ------------------------------------------------------------------------------------------------------
def test_an_unfitted_velocity_carries_the_normal_to_itself() -> None:
    prior = FlowMatching(3, hidden=(8,))
    z = torch.randn(20, 3, generator=seeded())
    torch.testing.assert_close(prior.log_prob(z), StandardNormal(3).log_prob(z), rtol=0, atol=1e-3)
    start = torch.randn(7, 3, generator=seeded(5))
    torch.testing.assert_close(prior.sample(7, generator=seeded(5)), start, rtol=0, atol=1e-3)


def test_the_divergence_is_the_trace_of_the_jacobian() -> None:
    torch.manual_seed(0)
    field = Velocity(4, (8, 8)).double()
    torch.nn.init.normal_(field.last.weight)
    x, t = torch.randn(5, 4, dtype=torch.float64), torch.rand(5, 1, dtype=torch.float64)
    unit = torch.eye(4, dtype=torch.float64).unsqueeze(1).expand(-1, 5, -1)
    value, spread = field.with_divergence(x, t, unit)
    torch.testing.assert_close(value, field(x, t))
    jacobians = [
        torch.autograd.functional.jacobian(lambda one, i=i: field(one[None], t[i : i + 1])[0], x[i]) for i in range(5)
    ]
    torch.testing.assert_close(spread, torch.stack([j.trace() for j in jacobians]))


def test_signs_estimate_the_density_beyond_64_dimensions() -> None:
    prior = FlowMatching(70, hidden=(16,), steps=2)
    torch.manual_seed(0)
    torch.nn.init.normal_(prior.velocity.last.weight, std=0.1)
    z = torch.randn(4, 70)
    field, x = prior.velocity, z
    # the same Runge–Kutta steps with the exact divergence
    unit = torch.eye(70).unsqueeze(1).expand(-1, 4, -1)
    volume = torch.zeros(4)
    for i in range(2):
        t, h = 1 - i / 2, -0.5

        def at(y: Tensor, t: float) -> tuple[Tensor, Tensor]:
            return field.with_divergence(y, y.new_full((4, 1), t), unit)

        a, da = at(x, t)
        b, db = at(x + h / 2 * a, t + h / 2)
        c, dc = at(x + h / 2 * b, t + h / 2)
        d, dd = at(x + h * c, t + h)
        x, volume = x + h / 6 * (a + 2 * b + 2 * c + d), volume + h / 6 * (da + 2 * db + 2 * dc + dd)
    exact = StandardNormal(70).log_prob(x) + volume
    off = prior.log_prob(z) - exact
    assert float(off.abs().max()) < 3
    assert torch.equal(prior.log_prob(z), prior.log_prob(z))


# fits ---------------------------------------------------------------------------------------------------------------
def fitted(name: str, z: Tensor) -> Prior:
    if name == "gaussian":
        return fit_gaussian(z)
    if name == "mixture":
        return choose_mixture(z, ring(300, 9))[0]
    if name == "aggregate":
        return fit_aggregate(z, held_out=ring(300, 9))[0]
    if name == "flow":
        return fit_flow(z, steps=120, hidden=(16,), held_out=ring(300, 9), lr=5e-3)
    return fit_flow_matching(z, steps=300, hidden=(32, 32), held_out=ring(300, 9), lr=1e-2)


@pytest.mark.parametrize("name", ["gaussian", "mixture", "aggregate", "flow", "flow-matching"])
def test_fits_are_densities_that_describe_new_latents(name: str, tmp_path: Path) -> None:
    prior = fitted(name, ring(1_500))
    new = ring(1_000, 1)
    assert 0.97 < mass(prior) < 1.03
    gaussian = float(fit_gaussian(ring(1_500)).log_prob(new).mean())
    if name != "gaussian":
        assert float(prior.log_prob(new).mean()) > gaussian + 0.3
        closer = Energy()(prior.sample(1_000, generator=seeded()), Empirical(new), generator=seeded())
        plain = Energy()(StandardNormal(2).sample(1_000, generator=seeded()), Empirical(new), generator=seeded())
        assert float(closer) < 0.05 * float(plain)
    assert not any(p.requires_grad for p in prior.parameters())
    save_sampler(tmp_path, prior, "repaired")
    again = load_sampler(tmp_path, "repaired")
    assert again is not None
    assert load_sampler(tmp_path) is None
    drawn = (p.sample(9, generator=seeded()) for p in (again, prior))
    torch.testing.assert_close(*drawn, rtol=0, atol=1e-4)  # inverses are computed anew
    torch.testing.assert_close(again.log_prob(new), prior.log_prob(new), rtol=0, atol=1e-3)
    assert repr(build(json.loads((tmp_path / "repaired.json").read_text())["prior"], Prior)) == repr(prior)


@pytest.mark.parametrize("name", ["flow", "flow-matching", "mixture"])
def test_the_same_seed_gives_the_same_fit(name: str) -> None:
    def fit(seed: int) -> Prior:
        if name == "mixture":
            return choose_mixture(ring(300), ring(100, 1), sizes=(2, 4), seed=seed)[0]
        quick = fit_flow if name == "flow" else fit_flow_matching
        return quick(ring(300), steps=8, hidden=(8,), seed=seed)

    before = torch.get_rng_state()
    first, again, other = fit(0), fit(0), fit(1)
    assert torch.equal(before, torch.get_rng_state())
    tensors, same, others = (list(prior.state_dict().values()) for prior in (first, again, other))
    assert all(map(torch.equal, tensors, same))
    assert not all(map(torch.equal, tensors, others))


def test_dtype_follows_the_latents() -> None:
    z = ring(100).double()
    for prior in (fit_gaussian(z), fit_aggregate(z)[0], fit_flow_matching(z, steps=3), fit_flow(z, steps=3)):
        assert prior.sample(5, generator=seeded()).dtype == torch.float64
        assert prior.log_prob(z).dtype == torch.float64


def test_a_coupling_flow_in_many_dimensions_agrees_with_its_density() -> None:
    z = torch.randn(200, 70, generator=seeded())
    prior = fit_flow(z, steps=2, hidden=(8,))
    u = prior.sample(50, generator=seeded())
    back = prior.base.flow().transform((u - prior.shift) @ prior.inverse.T)
    torch.testing.assert_close(back, torch.randn(50, 70, generator=seeded()), rtol=0, atol=1e-2)


# mixtures -----------------------------------------------------------------------------------------------------------
def test_expectation_maximisation_agrees_with_scikit_learn() -> None:
    g = seeded()
    z = torch.cat([torch.randn(600, 3, generator=g) * s + m for s, m in ((1.0, -3.0), (0.4, 3.0), (0.7, 9.0))]).double()
    z = (z - z.mean(0)) / z.std(0)
    ours = expectation_maximisation(Products(z), 3, ridge=1e-5, iterations=50, seed=0)
    theirs = em(z.numpy(), 3, "full", 0, 50)
    assert ours.log_likelihood == pytest.approx(theirs.score(z.numpy()), abs=2e-3)
    order, other = ours.means[:, 0].argsort(), theirs.means_[:, 0].argsort()
    torch.testing.assert_close(ours.means[order], torch.from_numpy(theirs.means_[other]), rtol=0, atol=0.01)
    torch.testing.assert_close(ours.covariances[order], torch.from_numpy(theirs.covariances_[other]), rtol=0, atol=0.01)
    assert ours.score(z) == pytest.approx(ours.log_likelihood, abs=1e-3)


def test_held_out_latents_choose_the_number_of_components() -> None:
    g = seeded()
    centres = 12 * torch.randn(4, 2, generator=g)

    def draw(n: int) -> Tensor:
        return centres[torch.randint(4, (n,), generator=g)] + torch.randn(n, 2, generator=g)

    z, held = draw(1_200), draw(400)
    prior, seen = choose_mixture(z, held)
    assert len(prior.means) in (4, 8)
    assert min(seen, key=lambda s: s.bic).components == 4
    best = max(seen, key=lambda s: s.held_out)
    assert best.held_out == pytest.approx(float(prior.log_prob(held).mean()), abs=1e-3)
    one, _ = choose_mixture(torch.randn(1_200, 2, generator=g), torch.randn(400, 2, generator=g))
    assert len(one.means) == 1
    _, (trial, *_) = choose_mixture(z, held, sizes=(1,))
    wanted = -2 * float(fit_gaussian(z).log_prob(z).mean()) + 5 * math.log(1_200) / 1_200  # 5 numbers in the plane
    assert trial.bic == pytest.approx(wanted, abs=1e-2)


def test_few_latents_in_many_dimensions_get_a_diagonal_mixture() -> None:
    z = torch.randn(60, 40, generator=seeded())
    prior, _ = choose_mixture(z, torch.randn(20, 40, generator=seeded(1)))
    assert not prior.full
    assert not fit_gaussian(z[:30]).full


# kernels ------------------------------------------------------------------------------------------------------------
def test_the_width_is_the_best_of_the_grid() -> None:
    z, held = ring(800), ring(400, 1)
    prior, seen = fit_aggregate(z, held_out=held)
    assert isinstance(prior, AggregatePosterior)
    best = max(seen, key=lambda s: s.held_out)
    assert best.held_out == pytest.approx(float(prior.log_prob(held).mean()), abs=0.05)
    for h in (best.width * 0.6, best.width * 1.7):
        other = AggregatePosterior(z, (h * z.std(0)).expand_as(z).clone())
        assert float(other.log_prob(held).mean()) < best.held_out


def test_posteriors_that_overlap_need_no_more_width() -> None:
    g = seeded()
    mean, std = 0.6 * torch.randn(1_000, 2, generator=g), torch.full((1_000, 2), 0.8)
    held = 0.6 * torch.randn(500, 2, generator=g) + 0.8 * torch.randn(500, 2, generator=g)
    prior, seen = fit_aggregate(mean, std, held_out=held)
    assert seen[0].width == 0
    assert max(seen, key=lambda s: s.held_out).width < 0.3
    assert float(prior.std.max()) < 0.9
    with pytest.raises(ShapeError, match="deviations"):
        fit_aggregate(mean, std[:5])


# refusals -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fit", [fit_gaussian, fit_flow, fit_flow_matching, lambda z: fit_aggregate(z)])
def test_bad_latents_are_refused(fit: object) -> None:
    z = ring(100)
    with pytest.raises(DataError, match="needs at least"):
        fit(z[:1])  # type: ignore[operator]
    with pytest.raises(DataError, match="identical"):
        fit(torch.ones(100, 2))  # type: ignore[operator]
    z[3, 1] = torch.nan
    with pytest.raises(DataError, match="1 of 100"):
        fit(z)  # type: ignore[operator]


def test_settings_out_of_range_are_refused() -> None:
    z = ring(100)
    with pytest.raises(ConfigError, match="steps"):
        fit_flow(z, steps=0)
    with pytest.raises(ConfigError, match="lr"):
        fit_flow_matching(z, lr=0.0)
    with pytest.raises(ConfigError, match="ascending"):
        choose_mixture(z, z, sizes=(4, 2))
    with pytest.raises(ConfigError, match="ascending"):
        fit_aggregate(z, widths=())
    with pytest.raises(ShapeError, match="held-out"):
        fit_flow(z, held_out=torch.zeros(5, 3))
    with pytest.raises(DataError, match="held-out"):
        choose_mixture(z, torch.full((5, 2), torch.nan))
    with pytest.raises(ConfigError, match="flow-matching prior"):
        FlowMatching(0)
    with pytest.raises(ConfigError, match="passes"):
        FlowPrior(3, passes=1)
