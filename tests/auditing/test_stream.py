"""One pass over latents in blocks says what all of them together would."""

from __future__ import annotations

import pytest
import torch
from scipy import stats

from lather.auditing import measure_latents
from lather.auditing.inputs import check_latents
from lather.auditing.radius import radius_row
from lather.auditing.slices import per_axis_row
from lather.auditing.stream import LatentSums, whole_rows
from lather.divergences.hermite import hermite_ladder
from lather.errors import DataError, ShapeError
from lather.priors import GaussianMixture, LaplacePrior, StandardNormal, UniformCube

pytestmark = pytest.mark.usefixtures("few_draws")


def sums_of(z: torch.Tensor, prior) -> LatentSums:
    out = LatentSums(prior)
    out.update(z)
    return out


def latents(n: int, d: int, seed: int = 0) -> torch.Tensor:
    z = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    return z + 0.1 * z.square()  # lopsided, off centre, correlated with nothing


@pytest.mark.parametrize("d", [1, 3, 20])
def test_the_ladder_is_that_of_all_pairs(d: int) -> None:
    z = latents(900, d)
    pairs = hermite_ladder(z)
    assert sums_of(z, StandardNormal(d)).ladder() == pytest.approx(pairs.effects[:2], rel=1e-9, abs=1e-12)


def test_gaps_are_those_of_the_sorted_sample_to_one_cell() -> None:
    z = latents(20_000, 3).double()
    found = sums_of(z, StandardNormal(3))
    exact = stats.kstest(z.square().sum(1).numpy(), stats.chi2(3).cdf).statistic
    assert exact - 2**-16 <= float(found.radius.gaps(20_000)) <= exact
    for directions, cells in ((torch.eye(3), found.axes), (found.directions, found.slices)):
        for direction, gap in zip(directions.double(), cells.gaps(20_000).tolist(), strict=True):
            exact = stats.kstest((z @ direction).numpy(), "norm").statistic
            assert exact - 2**-16 <= gap <= exact
            assert cells.error == 2**-16


def test_parts_in_any_order_are_the_whole() -> None:
    z, prior = latents(5_000, 4), StandardNormal(4)
    whole = sums_of(z, prior)
    parts = [sums_of(part, prior) for part in z.split([17, 3000, 1983])]
    for order in ((0, 1, 2), (2, 0, 1)):
        merged = LatentSums(prior)
        for i in order:
            merged.merge(parts[i])
        assert merged.n == whole.n
        assert merged.outside == whole.outside
        for name in ("radius", "axes", "slices"):
            assert torch.equal(getattr(merged, name).counts, getattr(whole, name).counts)
        torch.testing.assert_close(merged.waves.sums, whole.waves.sums, rtol=1e-12, atol=1e-9)
        assert merged.ladder() == pytest.approx(whole.ladder(), rel=1e-10)


def test_other_priors_give_the_rows_they_can() -> None:
    g = torch.Generator().manual_seed(1)
    mixture = GaussianMixture(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.ones(2, 2))
    z = mixture.sample(30_000, generator=g)
    rows = whole_rows(z, z[:1000].double(), mixture)
    assert "ladder_1" not in rows
    assert "strays" not in rows
    assert rows["per_axis"].details["n"] == 30_000
    assert rows["per_axis"].p > 1e-3
    assert rows["per_slice"].p > 1e-3
    assert "waves" not in rows
    wider = whole_rows(1.1 * z, z[:1000].double(), mixture)
    assert wider["per_axis"].p < 1e-6
    assert wider["per_slice"].p < 1e-6
    assert not whole_rows(torch.rand(40, 2), torch.rand(40, 2).double(), UniformCube(2)).keys() & {
        "ladder_1",
        "per_axis",
        "per_slice",
        "waves",
    }
    with pytest.raises(ShapeError, match="cannot be added"):
        LatentSums(mixture).merge(LatentSums(LaplacePrior(2)))
    with pytest.raises(ShapeError, match="directions of seed 1 and of seed 0"):
        LatentSums(mixture).merge(LatentSums(mixture, seed=1))
    with pytest.raises(ShapeError, match=r"\(m, 2\)"):
        LatentSums(mixture).update(torch.zeros(5, 3))


def test_rows_of_many_latents_are_those_of_the_whole_sample() -> None:
    z, prior = latents(21_000, 3), StandardNormal(3)
    report = measure_latents(z, prior)
    pairs = hermite_ladder(z)
    for k in (1, 2):
        row = report.rows[f"ladder_{k}"]
        assert row.details["n"] == 21_000
        assert row.effect == pytest.approx(pairs.effects[k - 1], rel=1e-9)
        assert row.high - row.effect == pytest.approx(1.96 * pairs.errors[k - 1], rel=0.2)
    for key, make in (("radius", radius_row), ("per_axis", per_axis_row)):
        row = report.rows[key]
        if key == "radius":
            exact = make(z.double(), prior)
            assert row.p == pytest.approx(exact.p, rel=0.05)
            assert row.details["spread"] == pytest.approx(exact.details["spread"], rel=0.02)
        assert row.details["n"] == 21_000
    assert report.rows["ladder_3"].details["n"] == 10_000
    assert report.n == 21_000


def test_the_first_bad_value_is_named_wherever_it_is() -> None:
    z = torch.randn(70_000, 2)
    z[66_000, 1] = float("inf")
    z[69_000, 0] = float("nan")
    with pytest.raises(DataError, match="2 values that are NaN or infinite, the first at sample 66000, dimension 1"):
        check_latents(z, StandardNormal(2))
