"""Priors fitted to latents: known laws are found again, densities integrate, bounds bound, bad latents are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from lather.divergences import Energy
from lather.errors import ConfigError, DataError, RunError, ShapeError
from lather.priors import Empirical, GaussianMixture, Prior, StandardNormal
from lather.samplers import SAMPLERS, SecondStage, fit_mixture, fit_second_stage
from lather.samplers.registry import find_sampler
from lather.spec import build
from lather.train.sampler import load_sampler, save_sampler


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def two_clusters(n: int, seed: int = 0) -> torch.Tensor:
    """¾ N((−2, 0), tilted), ¼ N((3, 1), 0.3² I)."""
    g = seeded(seed)
    first = torch.rand(n, generator=g) < 0.75
    tilted = torch.randn(n, 2, generator=g) @ torch.tensor([[1.0, 0.6], [0.0, 0.5]]) + torch.tensor([-2.0, 0.0])
    narrow = 0.3 * torch.randn(n, 2, generator=g) + torch.tensor([3.0, 1.0])
    return torch.where(first[:, None], tilted, narrow)


def test_em_finds_weights_means_and_covariances() -> None:
    prior = fit_mixture(two_clusters(4000), components=2)
    order = prior.means[:, 0].argsort()
    torch.testing.assert_close(prior.log_weights.exp()[order], torch.tensor([0.75, 0.25]), rtol=0, atol=0.02)
    torch.testing.assert_close(prior.means[order], torch.tensor([[-2.0, 0.0], [3.0, 1.0]]), rtol=0, atol=0.05)
    tilt = torch.tensor([[1.0, 0.6], [0.0, 0.5]])
    wanted = torch.stack([tilt.T @ tilt, 0.09 * torch.eye(2)])
    scales = prior.spreads[order]
    torch.testing.assert_close(scales @ scales.mT, wanted, rtol=0.05, atol=0.03)


def test_a_diagonal_mixture_has_no_correlations() -> None:
    g = seeded()
    z = torch.cat([torch.randn(900, 2, generator=g) * s + m for s, m in ((torch.tensor([1.0, 0.5]), -4), (0.3, 4))])
    prior = fit_mixture(z, components=2, covariance="diag")
    assert not prior.full
    order = prior.means[:, 0].argsort()
    torch.testing.assert_close(prior.spreads[order], torch.tensor([[1.0, 0.5], [0.3, 0.3]]), rtol=0.1, atol=0)


def test_the_number_of_components_is_chosen_by_held_out_density() -> None:
    assert len(fit_mixture(two_clusters(1500), components=None).means) in (2, 5)
    assert len(fit_mixture(torch.randn(1500, 2, generator=seeded()), components=None).means) == 1


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_no_scale_is_too_small_or_too_large(scale: float) -> None:
    z = scale * two_clusters(600) + 5 * scale
    z = torch.cat([z, scale * 1e-9 * torch.randn(600, 1, generator=seeded())], 1)  # and one dimension hardly varies
    for prior in (fit_mixture(z, 3), fit_second_stage(z, hidden=(16,), steps=20)):
        draws = prior.sample(500, generator=seeded())
        assert torch.isfinite(draws).all()
        assert torch.isfinite(prior.log_prob(z)).all()
        assert 0.05 < float(draws[:, 0].std() / z[:, 0].std()) < 3


def test_dtype_follows_the_latents_and_seeds_decide() -> None:
    z = two_clusters(300).double()
    for fit in (fit_mixture, lambda z, seed=0: fit_second_stage(z, steps=30, seed=seed)):
        first, again, other = fit(z), fit(z), fit(z, seed=1)
        assert first.sample(5, generator=seeded()).dtype == torch.float64
        tensors, same, others = (list(prior.state_dict().values()) for prior in (first, again, other))
        assert all(map(torch.equal, tensors, same))
        assert not all(map(torch.equal, tensors, others))
        assert not any(p.requires_grad for p in first.parameters())


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    fit_second_stage(two_clusters(100), steps=5)
    fit_mixture(two_clusters(100), 2)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_draws_come_closer_to_new_latents_than_the_prior_does(name: str) -> None:
    g = seeded()
    centres = torch.randn(5, 4, generator=g)

    def draw(n: int) -> torch.Tensor:
        return centres[torch.randint(5, (n,), generator=g)] + 0.3 * torch.randn(n, 4, generator=g)

    train, test = draw(3000), Empirical(draw(2000))
    prior = find_sampler(name)(train, seed=0)
    fitted, plain = (Energy()(p.sample(2000, generator=g), test, generator=g) for p in (prior, StandardNormal(4)))
    assert fitted < 0.2 * plain
    assert prior.log_prob(test.z).mean() > StandardNormal(4).log_prob(test.z).mean() + 1


@pytest.mark.slow
def test_the_density_of_a_second_stage_is_a_lower_bound() -> None:
    z = two_clusters(2000)
    prior = fit_second_stage(z, hidden=(32,), steps=400)
    # ∫ exp(bound) over a grid: at most 1, and near it where 64 draws are many
    side = torch.linspace(-9, 9, 91)
    points = torch.cartesian_prod(side, side)
    mass = float(prior.log_prob(points).exp().sum()) * float(side[1] - side[0]) ** 2
    assert 0.85 < mass < 1.03
    # and against the exact density by brute force: p(z) = E_u N(z; f(u), γ²)
    u = torch.randn(50_000, 2, generator=seeded(1))
    means = prior.shift + prior.scale * prior.decoder(u)
    spread = prior.scale * prior.log_gamma.exp()
    for point in z[:5]:
        exact = torch.distributions.Normal(means, spread).log_prob(point).sum(-1).logsumexp(0) - torch.tensor(5e4).log()
        assert float(prior.log_prob(point)) < float(exact) + 0.25
        assert float(prior.log_prob(point)) > float(exact) - 1.0


def test_drawing_from_a_second_stage_is_its_own_model() -> None:
    prior = fit_second_stage(two_clusters(500), hidden=(8,), steps=50)
    z = prior.sample(20_000, generator=seeded())
    u = torch.randn(20_000, 2, generator=seeded(1))
    exact = prior.shift + prior.scale * prior.decoder(u)
    gamma = prior.scale * prior.log_gamma.exp()
    torch.testing.assert_close(z.mean(0), exact.mean(0), rtol=0, atol=0.05)
    torch.testing.assert_close(z.var(0), exact.var(0) + gamma**2, rtol=0.05, atol=0)


def a_mixture() -> Prior:
    return fit_mixture(two_clusters(300), 3)


def a_second_stage() -> Prior:
    return fit_second_stage(two_clusters(300), hidden=(8,), steps=10)


@pytest.mark.parametrize("make", [a_mixture, a_second_stage])
def test_it_is_kept_as_tensors_and_json(make: object, tmp_path: Path) -> None:
    prior = make()  # type: ignore[operator]
    assert load_sampler(tmp_path) is None
    save_sampler(tmp_path, prior)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prior.json", "prior.safetensors"]
    again = load_sampler(tmp_path)
    assert again is not None
    assert repr(again) == repr(prior)
    assert torch.equal(again.sample(9, generator=seeded()), prior.sample(9, generator=seeded()))
    assert torch.equal(again.log_prob(two_clusters(9)), prior.log_prob(two_clusters(9)))
    assert repr(build(json.loads((tmp_path / "prior.json").read_text())["prior"], Prior)) == repr(prior)


def test_a_damaged_sampler_is_named(tmp_path: Path) -> None:
    save_sampler(tmp_path, a_mixture())
    record = tmp_path / "prior.json"
    data = json.loads(record.read_text())
    record.write_text(json.dumps({**data, "schema": 99}))
    with pytest.raises(RunError, match="format 1"):
        load_sampler(tmp_path)
    record.write_text(json.dumps({**data, "prior": StandardNormal(2).spec()}))
    with pytest.raises(RunError, match="do not belong together"):
        load_sampler(tmp_path)
    record.write_text(json.dumps(data))
    tensors = tmp_path / "prior.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-20])
    with pytest.raises(RunError, match=r"prior\.safetensors"):
        load_sampler(tmp_path)
    tensors.unlink()
    with pytest.raises(RunError, match="does not exist"):
        load_sampler(tmp_path)


@pytest.mark.parametrize("fit", [fit_mixture, fit_second_stage])
def test_bad_latents_are_refused(fit: object) -> None:
    z = two_clusters(100)
    with pytest.raises(DataError, match="needs at least"):
        fit(z[:5])  # type: ignore[operator]
    with pytest.raises(ShapeError, match=r"\(n, d\)"):
        fit(z.flatten())  # type: ignore[operator]
    with pytest.raises(DataError, match="identical"):
        fit(torch.ones(100, 2))  # type: ignore[operator]
    z[3, 1] = torch.nan
    with pytest.raises(DataError, match="1 of 100"):
        fit(z)  # type: ignore[operator]


def test_settings_out_of_range_are_refused() -> None:
    z = two_clusters(100)
    for wrong in ({"components": 0}, {"covariance": "round"}):
        with pytest.raises(ConfigError, match="mixture"):
            fit_mixture(z, **wrong)
    for wrong in ({"steps": 0}, {"lr": 0.0}, {"hidden": ()}):
        with pytest.raises(ConfigError, match="second stage"):
            fit_second_stage(z, **wrong)
    with pytest.raises(ConfigError, match="gaussian, mixture, second-stage, aggregate, flow, flow-matching"):
        find_sampler("gan")
    assert isinstance(fit_mixture(z), GaussianMixture)
    with pytest.raises(ConfigError, match="second stage"):
        SecondStage(0)
