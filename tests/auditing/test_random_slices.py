"""Rows along random directions, of samples of any size: their null, their power, and what they are the same as."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from lather.auditing.chi_squares import ChiSquares
from lather.auditing.row import Row
from lather.auditing.slices import Slices
from lather.auditing.stream import LatentSums, random_directions, whole_rows
from lather.auditing.waves import null_law, waves_row
from lather.divergences import EppsPulley, Sliced
from lather.priors import StandardNormal


def rows(z: torch.Tensor, seed: int = 0) -> dict[str, Row]:
    return whole_rows(z, z[:2000].double(), StandardNormal(z.shape[1]), seed=seed)


def normal(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def two_scales(n: int, d: int, seed: int = 0) -> torch.Tensor:
    """Mean 0 and covariance I exactly: half of the latents too close to the origin, half too far out."""
    g = torch.Generator().manual_seed(seed)
    square = torch.where(torch.rand(n, 1, generator=g, dtype=torch.float64) < 0.5, 0.6, 1.4)
    return torch.randn(n, d, generator=g, dtype=torch.float64) * square.sqrt()


def two_clumps(n: int, direction: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """N(0, I) with two clumps along ``direction``; mean 0 and covariance I."""
    g, z = torch.Generator().manual_seed(seed), normal(n, len(direction), seed + 10_000)
    along = z @ direction
    side = torch.where(torch.rand(n, generator=g, dtype=torch.float64) < 0.5, -0.8, 0.8)
    return z + torch.outer(side + 0.6 * along - along, direction)


def test_directions_are_orthonormal_uniform_and_the_seeds_alone() -> None:
    v = random_directions(40, seed=3)
    assert v.shape == (16, 40)
    torch.testing.assert_close(v @ v.T, torch.eye(16, dtype=torch.float64))
    assert torch.equal(v, random_directions(40, seed=3))
    assert not torch.equal(v, random_directions(40, seed=4))
    signs = np.array([random_directions(2, seed=s).flatten().sign().tolist() for s in range(400)])
    assert np.abs(signs.mean(0)).max() < 4 / 20  # no half of the circle is preferred


@pytest.mark.parametrize("d", [1, 5, 20])
def test_waves_are_sigregs_statistic_of_all_latents(d: int) -> None:
    z = 1.1 * normal(1500, d)
    sums = LatentSums(StandardNormal(d), seed=7)
    for part in z.split([200, 1000, 300]):
        sums.update(part)
    sigreg = Sliced(EppsPulley(nodes=7, reach=3.0), directions=random_directions(d, seed=7))
    assert rows(z, seed=7)["waves"].effect == pytest.approx(float(sigreg(z, StandardNormal(d).double())), rel=1e-9)
    assert float(sums.waves.distances(1500).mean()) == pytest.approx(rows(z, seed=7)["waves"].effect, rel=1e-12)


def test_a_sum_of_chi_squares() -> None:
    one = ChiSquares((0.3,), 4)
    for q in (0.2, 1.0, 4.0, 8.0):
        assert one.tail(q) == (pytest.approx(stats.chi2.sf(q / 0.3, 4), abs=1e-9), False)
    p, bound = one.tail(12.0)  # 2e-8: a bound, not much above
    assert bound
    assert stats.chi2.sf(40.0, 4) < p < 40 * stats.chi2.sf(40.0, 4)
    assert one.tail(-1.0) == (1.0, False)
    assert one.tail(1e5)[0] == pytest.approx(0, abs=1e-300)
    several = ChiSquares((1.0, 0.4, 0.05), 1)
    drawn = (np.random.default_rng(0).chisquare(1, (200_000, 3)) * [1.0, 0.4, 0.05]).sum(1)
    assert (several.mean, several.variance) == (pytest.approx(1.45), pytest.approx(2 * 1.1625))
    for level in (0.5, 0.95, 0.99):
        assert (drawn < several.quantile(level)).mean() == pytest.approx(level, abs=4 * math.sqrt(0.25 / 200_000))


def measured(z: torch.Tensor, seed: int) -> tuple[Row, Slices]:
    """Only what is tested here, which is quicker."""
    n, d = z.shape
    sums = LatentSums(StandardNormal(d), seed=seed)
    sums.update(z)
    row = waves_row(sums.waves, n, sums.directions @ z[:500].T)
    return row, Slices.known(n, sums.slices.gaps(n), independent=True)


def of_prior_draws(n: int, d: int, count: int) -> list[tuple[Row, Slices]]:
    return [measured(normal(n, d, 100_000 * d + i), seed=i) for i in range(count)]


@pytest.mark.exhaustive
@pytest.mark.parametrize(("n", "d"), [(150, 3), (2000, 1), (2000, 2), (2000, 16), (2000, 40)])
def test_p_values_are_uniform_for_prior_draws(n: int, d: int) -> None:
    for p in zip(*((row.p, worst.p) for row, worst in of_prior_draws(n, d, 400)), strict=True):
        assert stats.kstest(p, "uniform").pvalue > 1e-3
        assert stats.binomtest(sum(x < 0.05 for x in p), 400, 0.05).pvalue > 1e-3


def test_prior_draws_have_the_null_that_is_claimed() -> None:
    found = of_prior_draws(1000, 4, 60)
    for p in zip(*((row.p, worst.p) for row, worst in found), strict=True):
        assert stats.kstest(p, "uniform").pvalue > 1e-3
    values, sd = [row.effect for row, _ in found], math.sqrt(null_law(4).variance) / 1000
    assert np.mean(values) == pytest.approx(0, abs=4 * sd / math.sqrt(60))
    assert np.std(values) == pytest.approx(sd, rel=0.3)
    assert sd < np.mean([(row.high - row.low) / 3.92 for row, _ in found]) < 1.5 * sd


@pytest.mark.parametrize("make", [two_scales, lambda n, d: two_clumps(n, random_directions(d, 99)[0])])
def test_what_mean_and_covariance_miss_is_seen(make) -> None:
    found = rows(make(60_000, 4))
    assert found["ladder_1"].p > 0.01
    assert found["ladder_2"].p > 0.01
    for key in ("waves", "per_slice"):
        assert found[key].p < 1e-4
        assert found[key].n_star.n < 60_000


def test_the_row_says_which_direction_it_is() -> None:
    bad = random_directions(12, seed=5)[7]
    row = rows(two_clumps(30_000, bad), seed=5)["per_slice"]
    assert row.details["slice"] == 7
    assert row.details["direction"] == pytest.approx(bad.tolist())
    assert row.details["std"] == pytest.approx(1, abs=0.02)
    assert "direction 8 of 12" in row.meaning
    each = rows(two_clumps(30_000, bad), seed=5)["waves"].details["each"]
    assert max(range(12), key=each.__getitem__) == 7


@pytest.mark.exhaustive
def test_at_the_detection_size_every_other_sample_shows_it() -> None:
    size = round(measured(two_scales(400_000, 4), 0)[0].n_star.n)
    seen = [measured(two_scales(size, 4, seed), 0)[0].p < 0.05 for seed in range(1, 201)]
    assert 0.35 < np.mean(seen) < 0.7


def test_the_standard_error_is_the_scatter_between_samples() -> None:
    found = [measured(two_scales(3000, 3, seed), 0)[0] for seed in range(40)]
    scatter = np.std([row.effect for row in found])
    assert np.mean([(row.high - row.low) / 3.92 for row in found]) == pytest.approx(scatter, rel=0.35)
