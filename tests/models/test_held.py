"""Divergences held at a level: the multiplier finds it, stops where it is out of reach, and forgets nothing."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lather.divergences import Energy, KolmogorovSmirnov, RadiusCDF, Sliced
from lather.errors import CapabilityError, ConfigError
from lather.models import Autoencoder, Held, Match, Reconstruction, describe, rebuild
from lather.models.multiplier import Multiplier
from lather.priors import GaussianMixture, StandardNormal


def controlled(target: float, floor: float, steps: int, *, noise: float = 1.0, lag: int = 50) -> Multiplier:
    """A multiplier that steers g = floor + 100 / λ, which follows λ with a lag and is measured with noise."""
    multiplier, g = Multiplier(target), 100.0
    multiplier.start(1.0)
    draws = torch.randn(steps, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * noise
    for draw in draws:
        g += (floor + 100 / multiplier.weight - g) / lag
        multiplier.update(g + draw)
    return multiplier


@pytest.mark.parametrize("target", [0.5, 2.0, 20.0])
def test_finds_the_weight_that_reaches_the_target(target: float) -> None:
    multiplier = controlled(target, 0.0, 8000)
    assert multiplier.weight == pytest.approx(100 / (0.7 * target), rel=0.25)
    assert not multiplier.stalled


@pytest.mark.parametrize("steps", [8_000, 40_000])
def test_does_not_run_away_from_a_target_out_of_reach(steps: int) -> None:
    multiplier = controlled(0.5, 4.0, steps)
    assert multiplier.stalled
    # the floor is 4: at λ = 100 all but a fifth of it is floor, so that doubling λ once more is of little use
    assert 25 < multiplier.weight < 800
    assert multiplier.mean == pytest.approx(4 + 100 / multiplier.weight, rel=0.2)


def test_without_the_stop_it_would_run_away() -> None:
    """What the anti-windup is for: the same law of motion alone goes on for ever."""
    weight = 1.0
    for _ in range(40_000 // 16):
        g = 4 + 100 / weight
        weight *= math.exp(0.04 * (g - 0.5) / (g + 0.5))
    assert weight > 1e20


def test_tries_again_when_training_has_moved_the_floor() -> None:
    multiplier, g, floor = Multiplier(0.5), 100.0, 4.0
    multiplier.start(1.0)
    for step in range(30_000):
        floor = 4.0 if step < 8000 else 0.0
        g += (floor + 100 / multiplier.weight - g) / 50
        multiplier.update(torch.tensor(g, dtype=torch.float64))
        if step == 7999:
            assert multiplier.stalled
    assert not multiplier.stalled
    assert g == pytest.approx(0.35, rel=0.1)


def test_a_constraint_that_is_met_for_nothing_leaves_a_little_weight() -> None:
    """So that it is soon back when it is needed."""
    multiplier = Multiplier(2.0)
    multiplier.start(10.0)
    for _ in range(6000):
        multiplier.update(torch.tensor(0.1))
    assert multiplier.weight == pytest.approx(1e-3)


def test_held_out_excess_counts() -> None:
    """Where held-out data show more than the batches trained on, it is theirs that is held."""
    multiplier, g, extra = Multiplier(2.0), 100.0, 1.0
    multiplier.start(1.0)
    for step in range(20_000):
        g += (100 / multiplier.weight - g) / 50
        multiplier.update(torch.tensor(g, dtype=torch.float64))
        if step % 200 == 199:
            multiplier.heed(g + extra)
    assert g + extra == pytest.approx(1.4, rel=0.05)


def test_goes_on_from_its_buffers_at_any_step() -> None:
    measured = 5 + torch.randn(3000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    whole, first, second = Multiplier(1.0), Multiplier(1.0), Multiplier(1.0)
    for part in (whole, first):
        part.start(3.0)
    for value in measured[:1237]:  # in the middle of a block
        whole.update(value)
        first.update(value)
    second.load_state_dict({name: tensor.clone() for name, tensor in first.state_dict().items()})
    for value in measured[1237:]:
        whole.update(value)
        second.update(value)
    assert second.weight == whole.weight != 3.0
    assert all(torch.equal(a, b) for a, b in zip(whole.buffers(), second.buffers(), strict=True))


def small(*held: Held, d: int = 2) -> Autoencoder:
    torch.manual_seed(0)
    objective = 1.0 * Reconstruction()
    for term in held:
        objective = objective + term
    return Autoencoder(nn.Linear(6, d), nn.Linear(d, 6), prior=StandardNormal(d), objective=objective)


X = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))


def test_the_loss_is_weighed_by_the_multiplier() -> None:
    model = small(Match(Energy()).to_noise_floor(start=7.0))
    values = model(X)
    assert values["match_weight"].item() == 7.0
    torch.testing.assert_close(values["loss"], values["reconstruction"] + 7 * values["match"])
    null = Energy().null(StandardNormal(2), 64)
    model.eval()
    values = model(X)
    assert values["match_z"].item() == pytest.approx(null.zscore(values["match"]), rel=1e-5)


def test_an_average_of_the_model_reads_the_same_units() -> None:
    """z counts standard deviations of the null at the training batch, whatever the size of what is evaluated."""
    model = small(Match(Energy()).to_noise_floor(start=7.0))
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=False)
    model(X)
    average.update_parameters(model)
    with torch.no_grad():
        values = average.eval()(X[:16])
    null = Energy().null(StandardNormal(2), 64)
    assert values["match_z"].item() == pytest.approx(null.zscore(values["match"]), rel=1e-5)
    torch.testing.assert_close(values["loss"], values["reconstruction"] + 7 * values["match"])


def test_evaluation_moves_nothing() -> None:
    model = small(Match(Energy()).to_noise_floor())
    model(X)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.eval()
    for _ in range(40):
        model(X)
    with torch.no_grad():
        model.train()(X)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_starts_at_a_tenth_of_the_sample() -> None:
    model = small(Match().to_noise_floor())
    assert model(X)["match_weight"].item() == pytest.approx(0.6)


def test_the_level_is_carried_to_the_batch() -> None:
    prior = StandardNormal(3)
    assert Match().to_noise_floor(2.0).level(prior, 100) == 2.0
    assert Match().to_noise_floor(2.0, samples=400).level(prior, 100) == pytest.approx(0.5)
    rooted = Match(Sliced(KolmogorovSmirnov(), directions=4)).to_noise_floor(2.0, samples=400)
    assert rooted.level(prior, 100) == pytest.approx(1.0)  # the noise of this statistic shrinks like 1/√n
    null = Energy().null(prior, 100)
    asked = Match().to_detection_size(1000).level(prior, 100)
    assert asked == pytest.approx(null.zscore(null.quantile(0.95)) / 10)


def test_several_are_held_at_once() -> None:
    model = small(Match(Energy()).to_noise_floor(start=2.0), Match(RadiusCDF()).to_noise_floor(1.0, start=3.0))
    values = model(X)
    assert (values["match_weight"].item(), values["match_2_weight"].item()) == (2.0, 3.0)
    total = values["reconstruction"] + 2 * values["match"] + 3 * values["match_2"]
    torch.testing.assert_close(values["loss"], total)


def test_an_objective_is_held_as_a_whole() -> None:
    objective = Reconstruction() + 50 * Match(Energy()) + 20 * Match(RadiusCDF())
    held = objective.to_noise_floor(1.5)
    assert repr(held) == (
        "Reconstruction() + Match(Energy()).to_noise_floor(z=1.5, start=50) + "
        "Match(RadiusCDF()).to_noise_floor(z=1.5, start=20)"
    )
    assert "Match(Energy()).to_detection_size(1000, start=50)" in repr(objective.to_detection_size(1000))
    with pytest.raises(ConfigError, match="no Match"):
        (1.0 * Reconstruction()).to_noise_floor()


def test_a_configuration_holds_it() -> None:
    linear = Match(Energy()).to_detection_size(500, start=3.0)
    model = small(linear)
    other = rebuild(describe(model), encoder=nn.Linear(6, 2), decoder=nn.Linear(2, 6))
    assert repr(other.objective) == repr(model.objective)
    model(X)
    other.load_state_dict(model.state_dict())
    assert other.objective.terms[1].factor() == 3.0  # type: ignore[operator, union-attr]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"z": 0.0}, "above 0"),
        ({"z": math.inf}, "above 0"),
        ({"samples": 1}, "at least 2"),
        ({"detection_size": 1}, "at least 2"),
        ({"samples": 100, "detection_size": 100}, "not both"),
        ({"start": 0.0}, "above 0"),
    ],
)
def test_impossible_levels_are_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Held(Energy(), **wrong)  # type: ignore[arg-type]


def test_a_logarithm_has_no_floor() -> None:
    with pytest.raises(ConfigError, match=r"without \.log\(\)"):
        Match(Energy()).log().to_noise_floor()


def test_a_held_term_has_no_logarithm() -> None:
    with pytest.raises(ConfigError, match="leave out"):
        Match().to_noise_floor().log()


def test_what_does_not_vary_has_no_floor() -> None:
    with pytest.raises(ConfigError, match="no noise"):
        small(Match(0 * Energy()).to_noise_floor())(X)


def test_what_has_helped_since_is_no_longer_called_out_of_reach() -> None:
    multiplier, g = Multiplier(0.5), 100.0
    multiplier.start(1.0)
    for step in range(30_000):
        g += ((4.0 if step < 8000 else 0.0) + 100 / multiplier.weight - g) / 50
        multiplier.update(torch.tensor(g, dtype=torch.float64))
        if step == 7999:
            assert multiplier.tried[0] > 0
    assert multiplier.tried == (0.0, 0.0, 0.0)


def test_a_prior_that_learns_has_no_fixed_floor() -> None:
    from lather.models import PosteriorKL

    with pytest.raises(CapabilityError, match="noise floor"):
        Autoencoder(
            nn.Linear(6, 4),
            nn.Linear(2, 6),
            prior=GaussianMixture.scattered(2, 3, learned=True),
            objective=Reconstruction() + PosteriorKL() + Match().to_noise_floor(),
        )
