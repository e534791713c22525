"""The detection size n*: at n* samples, power is a half."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import lather as lt
from lather.divergences.detection_null import NullCurve
from lather.divergences.hermite import hermite_ladder
from lather.divergences.hermite_null import detection_size as ladder_detection_size
from lather.errors import CapabilityError, ConfigError, DataError, ShapeError

AXES = lt.Sliced(lt.Wasserstein1d(), directions=torch.eye(8))


def normal(n: int, d: int, g: torch.Generator) -> torch.Tensor:
    return torch.randn(n, d, generator=g)


def shift(n: int, d: int, g: torch.Generator) -> torch.Tensor:
    return normal(n, d, g) + 0.3 * torch.eye(d)[0]


def narrow(n: int, d: int, g: torch.Generator) -> torch.Tensor:
    return 0.9 * normal(n, d, g)


def slightly_narrow(n: int, d: int, g: torch.Generator) -> torch.Tensor:
    return 0.98 * normal(n, d, g)


def t30(n: int, d: int, g: torch.Generator) -> torch.Tensor:
    chi2 = 2 * torch._standard_gamma(torch.full((n, 1), 15.0), generator=g)
    return normal(n, d, g) * (28 / chi2).sqrt()


def bimodal(n: int, d: int, g: torch.Generator) -> torch.Tensor:
    z = normal(n, d, g)
    side = 2 * torch.randint(0, 2, (n,), generator=g) - 1
    z[:, 0] = 0.9 * side + math.sqrt(1 - 0.81) * z[:, 0]
    return z


def clusters(n: int, d: int, g: torch.Generator) -> torch.Tensor:
    """Ten clusters whose mixture has mean 0 and covariance I exactly."""
    centres = torch.randn(10, d, generator=torch.Generator().manual_seed(5))
    centred = centres - centres.mean(0)
    white = torch.linalg.cholesky(torch.linalg.inv(centred.T @ centred / 10 + 0.25 * torch.eye(d)))
    return (centred[torch.randint(0, 10, (n,), generator=g)] + 0.5 * normal(n, d, g)) @ white


def uniform(n: int, d: int, g: torch.Generator) -> torch.Tensor:
    return math.sqrt(12) * (torch.rand(n, d, generator=g) - 0.5)


def power(divergence: lt.Divergence, law, n: int, d: int, repetitions: int, draws: int = 499) -> float:
    """Share of fresh samples of n that the test at level .05 rejects; a null of its own."""
    prior, g = lt.StandardNormal(d), torch.Generator().manual_seed(99)
    critical = divergence.null(prior, n, draws=draws, seed=123).quantile(0.95)
    return sum(float(divergence(law(n, d, g), prior, generator=g)) > critical for _ in range(repetitions)) / repetitions


def latents(law, n: int, d: int, seed: int = 1) -> torch.Tensor:
    return law(n, d, torch.Generator().manual_seed(seed))


QUICK = [
    pytest.param(lt.RadiusCDF(), narrow, 16, 1500, id="narrow-radius"),
]
SLOW = [
    pytest.param(lt.HermiteLadder(order=1), shift, 8, 1500, id="shift-ladder"),
    pytest.param(lt.RadiusCDF(), uniform, 16, 4000, id="uniform-radius"),
    pytest.param(AXES, bimodal, 8, 1500, id="bimodal-axes"),
    pytest.param(lt.Energy(), shift, 8, 2000, id="shift-energy"),
    pytest.param(lt.Sliced(lt.KolmogorovSmirnov(), directions=32), shift, 8, 2000, id="shift-ks"),
    pytest.param(lt.RadiusCDF(), slightly_narrow, 16, 12_000, id="slightly-narrow-radius"),
    pytest.param(lt.RadiusCDF(), t30, 16, 6000, id="t30-radius"),
    pytest.param(lt.MMD(lt.GaussianKernel(1.0)), clusters, 8, 1500, id="clusters-mmd"),
    pytest.param(lt.GaussianFit(), narrow, 8, 2000, id="narrow-fit"),
    pytest.param(lt.Mardia(), uniform, 3, 2000, id="uniform-mardia"),
    pytest.param(lt.HermiteLadder(order=2) + 5 * lt.RadiusCDF(), narrow, 8, 2000, id="narrow-sum"),
]


def check(divergence, law, d, n, repetitions):
    draws = 1999 if isinstance(divergence, lt.RadiusCDF) else None  # it is cheap
    size = lt.detection_size(divergence, latents(law, n, d), lt.StandardNormal(d), draws=draws)
    assert size.detected
    assert size.tested == n
    assert 2 <= size.low < size.n < size.high
    assert 0.35 <= power(divergence, law, max(2, round(size.n)), d, repetitions) <= 0.65


@pytest.mark.parametrize(("divergence", "law", "d", "n"), QUICK)
def test_power_is_a_half_at_the_detection_size(divergence, law, d, n):
    check(divergence, law, d, n, 200)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("divergence", "law", "d", "n"), SLOW)
def test_power_is_a_half_at_the_detection_size_of_subtler_things(divergence, law, d, n):
    check(divergence, law, d, n, 150)


@pytest.mark.slow
def test_beyond_a_quarter_of_the_latents_it_is_right_on_average():
    d, prior = 8, lt.StandardNormal(8)
    sizes = [lt.detection_size(lt.HermiteLadder(order=1), latents(shift, 150, d, s), prior) for s in range(20)]
    found = [size.n for size in sizes if size.detected]
    assert len(found) >= 15
    # λ = 0.09·n reaches power ½ of χ²_8 near n = 80; undetected ones count as beyond
    assert 60 < float(np.median([size.n for size in sizes])) < 115
    assert sum(size.low <= 82 <= size.high for size in sizes if size.detected) >= 0.8 * len(found)


def test_prior_draws_are_not_detected():
    z = latents(normal, 400, 4)
    size = lt.detection_size(lt.RadiusCDF(), z, lt.StandardNormal(4), draws=199)
    assert str(size) == "> 400"
    assert (size.low, size.high) == (400, math.inf)


@pytest.mark.slow
def test_collapsed_latents_are_detected_at_once():
    z = torch.zeros(100, 4)
    for divergence in (lt.Energy(), lt.RadiusCDF()):
        size = lt.detection_size(divergence, z, lt.StandardNormal(4), draws=199)
        assert size.detected
        assert size.n <= 8


@pytest.mark.slow
def test_units_do_not_matter_and_logarithms_do_not():
    z, prior = latents(narrow, 800, 4), lt.StandardNormal(4)
    plain = lt.detection_size(lt.RadiusCDF(), z, prior, draws=199)
    assert lt.detection_size(1000 * lt.RadiusCDF(), z, prior, draws=199) == plain
    assert lt.detection_size(lt.RadiusCDF().log(), z, prior, draws=199) == plain
    assert lt.detection_size(lt.RadiusCDF(), z.numpy(), prior, draws=199) == plain


@pytest.mark.slow
def test_a_seed_decides_and_a_better_match_takes_more_samples():
    prior, fit = lt.StandardNormal(4), lt.HermiteLadder(order=2)
    sizes = [lt.detection_size(fit, s * latents(normal, 1000, 4), prior, draws=199).n for s in (0.6, 0.8, 0.9)]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3
    assert lt.detection_size(fit, 0.9 * latents(normal, 1000, 4), prior, draws=199).n == sizes[-1]


@pytest.mark.slow
def test_a_statistic_that_needs_more_than_d_samples():
    size = lt.detection_size(lt.Mardia(), latents(uniform, 600, 5), lt.StandardNormal(5), draws=199)
    assert size.n > 5
    with pytest.raises(ShapeError, match="more samples than dimensions"):
        lt.detection_size(lt.Mardia(), latents(uniform, 30, 40), lt.StandardNormal(40), draws=199)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", sorted(lt.DIVERGENCES)[::2])  # half of them: the code below is the same for all
def test_registered_divergences_have_one(name):
    sphere = name == "sphere-uniformity"
    prior = lt.UniformSphere(3) if sphere else lt.StandardNormal(3)
    divergence = lt.make_divergence(name, 3)
    if isinstance(divergence, lt.MaxSliced):
        divergence = lt.MaxSliced(divergence.statistic, steps=3)
    elif isinstance(divergence, lt.Sliced):
        divergence = lt.Sliced(divergence.statistic, directions=16)
    z = prior.sample(150, generator=torch.Generator().manual_seed(0)).abs().pow(3)
    size = lt.detection_size(divergence, z, prior, draws=100)
    assert size.detected
    assert size.n < 100


@pytest.mark.slow
def test_other_priors_through_their_draws():
    z = 3 * latents(normal, 300, 2)
    prior = lt.UniformCube(2)
    assert lt.detection_size(lt.Sliced(lt.Cramer(), directions=8), z, prior, draws=100).n < 100


@pytest.mark.slow
@pytest.mark.parametrize("law", [shift, narrow])
def test_it_agrees_with_the_closed_form_of_the_ladder(law):
    """The audit's rows have a χ² formula of their own for one rung; for order 1, rung and ladder are the same."""
    z, prior = latents(law, 1500, 8), lt.StandardNormal(8)
    if law is shift:
        ours = lt.detection_size(lt.HermiteLadder(order=1), z, prior)
        theirs = ladder_detection_size(hermite_ladder(z), 1)
        assert theirs.low < ours.n < theirs.high
        assert ours.low < theirs.n < ours.high
    else:  # order 2 adds the noise of rung 1, where there is no effect, to rung 2: a little later
        ours = lt.detection_size(lt.HermiteLadder(order=2), z, prior)
        theirs = ladder_detection_size(hermite_ladder(z), 2)
        assert 0.8 < ours.n / theirs.n < 1.6


def test_mistakes_are_named():
    prior, z = lt.StandardNormal(3), torch.zeros(50, 3)
    with pytest.raises(DataError, match="at least 20 latents, got 19"):
        lt.detection_size(lt.Energy(), z[:19], prior)
    bad = z.clone()
    bad[3, 1], bad[7, 0] = math.nan, math.inf
    with pytest.raises(DataError, match="2 of 50 latents are not finite"):
        lt.detection_size(lt.Energy(), bad, prior)
    with pytest.raises(ShapeError, match=r"shape \(n, 3\)"):
        lt.detection_size(lt.Energy(), z[:, :2], prior)
    with pytest.raises(ShapeError, match="floating"):
        lt.detection_size(lt.Energy(), z.long(), prior)
    with pytest.raises(ConfigError, match="level between"):
        lt.detection_size(lt.Energy(), z, prior, level=0.0)
    with pytest.raises(ConfigError, match="at least 100 draws"):
        lt.detection_size(lt.Energy(), z, prior, draws=50)
    with pytest.raises(ConfigError, match="always 0"):
        lt.detection_size(0 * lt.Energy(), z, prior)
    with pytest.raises(CapabilityError, match="Stein"):
        lt.detection_size(lt.SteinDiscrepancy(), z, lt.UniformCube(3))


def test_the_null_between_and_beyond_simulated_sizes():
    prior = lt.StandardNormal(2)

    def curve(divergence: lt.Divergence) -> NullCurve:
        return NullCurve(divergence, prior, level=0.05, draws=199, seed=0, cache=True, progress=False)

    for divergence, n in ((lt.RadiusCDF(), 200), (lt.RadiusCDF(), 3000), (lt.GaussianFit(), 3000)):
        point, null = curve(divergence).at(n), divergence.null(prior, n, draws=199, seed=5)
        assert abs(point.mean - null.mean) < 0.35 * null.std
        assert abs(point.critical - null.quantile(0.95)) < 4 * null.std / math.sqrt(199) / 0.35
        assert math.isclose(point.std, null.std, rel_tol=0.35)
    assert curve(lt.RadiusCDF()).at(3000).mean == lt.RadiusCDF().null_moments(prior, 3000)[0]
