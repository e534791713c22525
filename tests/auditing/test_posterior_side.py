"""Statistics of posteriors: exact under the null, awake where they should be, silent where they cannot see."""

from __future__ import annotations

import json
import math

import pytest
import torch
from scipy import stats
from torch import Tensor

import lather as lt
from lather.auditing import Report, measure_latents
from lather.auditing.auc import compare
from lather.auditing.bubbles import Bubbles
from lather.auditing.geometry import effective_rank, two_nn
from lather.auditing.pairs import mmd_small_row, pair_distance_row, small_bandwidth
from lather.auditing.posterior_side import posterior_side
from lather.auditing.rate import rate_budget, rate_row
from lather.auditing.regions import exceedance, strays_row
from lather.auditing.row import Row
from lather.auditing.sbc import sbc_rows
from lather.auditing.slices import per_axis_row, signal_directions
from lather.auditing.two_draw import product_tail, two_draw_row
from lather.errors import DataError, ShapeError
from lather.priors import AggregatePosterior, GaussianMixture, StandardNormal, UniformSphere


def normal(n: int, d: int, g: torch.Generator) -> Tensor:
    return torch.randn(n, d, generator=g, dtype=torch.float64)


def puzzle(n: int, d: int, share: float, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Posteriors whose union looks like N(0, I) however d: centres N(0, εI), σ² = 1 − ε."""
    mean = math.sqrt(share) * normal(n, d, g)
    return mean, torch.full_like(mean, math.sqrt(1 - share))


def rows_of(z: Tensor, mean: Tensor, std: Tensor, training: Bubbles, seed: int) -> dict[str, Row]:
    g = torch.Generator().manual_seed(seed)
    prior = StandardNormal(z.shape[1])
    found = posterior_side(z, prior, training, mean, std, generator=g, prior_generator=g).rows
    return found | {row.key: row for row in (strays_row(z, prior), per_axis_row(z, prior))}


def all_rows_of(z: Tensor, mean: Tensor, std: Tensor, training: Bubbles, seed: int) -> dict[str, Row]:
    prior = StandardNormal(z.shape[1])
    more = {row.key: row for row in (mmd_small_row(z, prior), pair_distance_row(z, prior))}
    return rows_of(z, mean, std, training, seed) | more


def null_p(n: int, d: int, replicates: int) -> dict[str, list[float]]:
    """p-values where latents follow the prior and posteriors know nothing of their datum."""
    g = torch.Generator().manual_seed(3)
    out: dict[str, list[float]] = {}
    for seed in range(replicates):
        zero, one = torch.zeros(4 * n, d).double(), torch.ones(4 * n, d).double()
        # training posteriors of any shape: the score is one fixed function for both samples
        training = Bubbles(normal(4 * n, d, g), 0.3 * one)
        for key, row in all_rows_of(normal(n, d, g), zero[:n], one[:n], training, seed).items():
            if row.p is not None and key != "memorisation":
                out.setdefault(key, []).append(row.p)
    return out


def check_uniform(found: dict[str, list[float]]) -> None:
    assert set(found) == {
        *("two_draw", "three_way", "holes", "crowding", "strays", "signal", "per_axis", "mmd_small", "pair_distance")
    }
    for key, p in found.items():
        if key in ("holes", "crowding", "strays"):  # counts: never below their level, above it where steps are coarse
            for level in (0.01, 0.05, 0.2):
                hits = sum(x <= level for x in p)
                assert stats.binom.sf(hits - 1, len(p), level) > 1e-4, (key, level, hits)
        else:
            assert stats.kstest(p, "uniform").pvalue > 1e-4, key


def test_p_values_are_uniform_under_the_null() -> None:
    check_uniform(null_p(32, 2, 200))


@pytest.mark.parametrize(("learned", "draws"), [(True, 399), (False, 999)])
def test_nulls_that_serve_one_model_are_simulated_with_fewer_draws(learned: bool, draws: int) -> None:
    prior = GaussianMixture(torch.zeros(2, 2), 0.5, learned=learned)
    for row in (mmd_small_row, pair_distance_row):
        found = row(torch.full((20, 2), 9.0, dtype=torch.float64).add(normal(20, 2, torch.Generator())), prior)
        assert found.details["null_draws"] == draws
        assert found.p is not None
        assert found.p >= 1 / (draws + 1)
        assert 20 / (draws + 1) <= 0.05 + 1e-12  # the least p survives Holm's correction for 20 tests


@pytest.mark.exhaustive
def test_p_values_are_uniform_under_the_null_with_more_latents() -> None:
    check_uniform(null_p(500, 16, 100))


def test_memorisation_is_exact_where_training_and_held_out_data_are_alike() -> None:
    g = torch.Generator().manual_seed(4)
    found = []
    for seed in range(200):
        mean = normal(240, 2, g)
        training = Bubbles(mean[40:], torch.full_like(mean[40:], 0.3))
        std = torch.full_like(mean[:40], 0.3)
        z = mean[:40] + std * normal(40, 2, g)
        found.append(rows_of(z, mean[:40], std, training, seed)["memorisation"].p)
    assert stats.kstest(found, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("d", [16, 64, 512])
def test_large_latent_puzzle(d: int) -> None:
    """Every single draw follows the prior, and each datum keeps a bubble of its own: only two draws show it."""
    g = torch.Generator().manual_seed(d)
    mean, std = puzzle(1_600, d, 0.3, g)
    z = mean + std * normal(*mean.shape, g)
    found = all_rows_of(z[:400], mean[:400], std[:400], Bubbles(mean[400:], std[400:]), 0)
    assert found["two_draw"].p < 1e-10
    assert found["two_draw"].details["share"] == pytest.approx(0.3, abs=0.05)
    assert found["two_draw"].verdict == "grey"
    for key in ("three_way", "holes", "crowding", "strays", "per_axis", "signal", "mmd_small", "pair_distance"):
        assert found[key].p > 1e-3, key
    regime = found["rate"].details["regime"]  # KL = −(d/2) log(1 − ε) against log 1200 = 7.1
    assert regime == {16: "covering", 64: "packing", 512: "packing"}[d]
    assert found["rate"].details["R"] == pytest.approx(-d / 2 * math.log(0.7), rel=0.05)
    if d == 512:
        assert found["rate"].details["mi"] == pytest.approx(math.log(1200), abs=1e-3)
        assert found["overlap"].details["prior"] > 0.9
        assert found["overlap"].details["held_out"] > 0.9


@pytest.mark.slow
def test_large_latent_puzzle_in_4096_dimensions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lather.divergences.null._DRAWS", 99)  # of 128 × 4096 numbers each
    g = torch.Generator().manual_seed(1)
    mean, std = puzzle(600, 4096, 0.01, g)
    z = mean + std * normal(*mean.shape, g)
    found = all_rows_of(z[:200], mean[:200], std[:200], Bubbles(mean[200:], std[200:]), 0)
    assert found["two_draw"].z > 5
    for key in ("three_way", "strays", "per_axis", "mmd_small", "pair_distance"):
        assert found[key].p > 1e-3, key


def test_rate_is_information_and_distance() -> None:
    """R = I + KL, each against quadrature on a line."""
    g = torch.Generator().manual_seed(5)
    mean, std = normal(50, 1, g), 0.2 + 0.5 * torch.rand(50, 1, generator=g).double()
    budget = rate_budget(Bubbles(mean.repeat(60, 1), std.repeat(60, 1)), StandardNormal(1), generator=g)
    x = torch.linspace(-8, 8, 4001).double()[:, None]
    log_q, log_p = AggregatePosterior(mean, std).log_prob(x), StandardNormal(1).log_prob(x)
    distance = float((log_q.exp() * (log_q - log_p)).sum() * 16 / 4000)
    each = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, std), torch.distributions.Normal(torch.zeros_like(mean), 1.0)
    )
    assert budget.rate == pytest.approx(float(each.mean()), rel=1e-9)
    assert budget.gap == pytest.approx(distance, abs=4 * budget.mi_error)
    assert sum(budget.by_dimension) == pytest.approx(budget.rate)
    mixture = GaussianMixture(torch.zeros(1, 1), 1.0)  # the same prior, by draws
    assert rate_budget(Bubbles(mean.repeat(60, 1), std.repeat(60, 1)), mixture, generator=g).rate == pytest.approx(
        budget.rate, abs=0.1
    )


def test_regimes_and_points() -> None:
    g = torch.Generator().manual_seed(6)
    mean = normal(200, 4, g)  # log N = 5.3
    regimes = [
        rate_budget(Bubbles(mean, torch.full_like(mean, s)), StandardNormal(4), generator=g).regime
        for s in (1.0, 0.35, 0.01)
    ]
    assert regimes == ["covering", "between", "packing"]
    points = rate_row(rate_budget(Bubbles(mean), StandardNormal(4)))
    assert points.effect is None
    assert points.details["mi"] == pytest.approx(math.log(200))
    assert "a point" in points.meaning


def test_product_tail_against_simulation() -> None:
    g = torch.Generator().manual_seed(7)
    total = (normal(40_000, 6, g) * normal(40_000, 6, g)).sum(1)
    for x in (0.0, 2.0, 5.0, 9.0):
        share = float((total > x).double().mean())
        assert product_tail(x, 6) == pytest.approx(share, abs=4 * math.sqrt(share / 40_000))
    row = two_draw_row(normal(50, 3, g), normal(50, 3, g), GaussianMixture(torch.zeros(1, 3), 1.0))
    assert "N(0, I)" in row.reason


def test_auc_agrees_with_all_pairs_and_the_bound_holds() -> None:
    g = torch.Generator().manual_seed(8)
    x, y = normal(300, 1, g)[:, 0] + 0.5, normal(200, 1, g)[:, 0]
    found = compare(x, y)
    assert found.auc == pytest.approx(float((x[:, None] > y).double().mean()))
    assert found.p == pytest.approx(stats.mannwhitneyu(x, y).pvalue)
    true = 2 * stats.norm.cdf(0.25) - 1
    assert all(compare(normal(300, 1, g)[:, 0] + 0.5, normal(200, 1, g)[:, 0]).variation <= true for _ in range(40))
    assert compare(x + 3, y).variation > 0.5
    assert compare(torch.full((50,), math.inf).double(), y).auc == 1.0


def test_exceedance_against_all_orders() -> None:
    """Of m + n exchangeable values, count those of the first kind above the k-th largest of the second."""
    g = torch.Generator().manual_seed(9)
    m, n, k = 6, 9, 2
    values = torch.rand(40_000, m + n, generator=g)
    edge = values[:, m:].topk(k).values[:, -1:]
    count = (values[:, :m] > edge).sum(1)
    for x in range(m + 1):
        assert exceedance(x, m, k, n) == pytest.approx(float((count >= x).double().mean()), abs=0.01)


def test_wide_latents_have_strays_and_no_holes() -> None:
    """The case that one score misses: prior draws sit in the crowded middle of what is too wide."""
    g = torch.Generator().manual_seed(10)
    mean = 2 * normal(2_000, 8, g)
    std = torch.full_like(mean, 0.3)
    z = mean[:500] + std[:500] * normal(500, 8, g)
    found = rows_of(z, mean[:500], std[:500], Bubbles(mean[500:], std[500:]), 0)
    assert found["holes"].effect < 0.02
    assert found["strays"].effect > 0.5
    assert found["strays"].n_star.n < 10
    tight = mean / 8
    found = rows_of(tight[:500], tight[:500], std[:500] / 8, Bubbles(tight[500:], std[500:] / 8), 0)
    assert found["holes"].effect > 0.5
    assert len(found["holes"].details["worst"]) == 16
    assert found["strays"].effect < 0.01
    assert found["three_way"].effect > 0.8


def test_an_encoder_that_knows_its_training_data_is_told() -> None:
    g = torch.Generator().manual_seed(11)
    mean = 0.5 * normal(2_000, 4, g)  # training data near the middle, new ones anywhere
    training = Bubbles(mean, torch.full_like(mean, 0.3))
    z = normal(500, 4, g)
    row = rows_of(z, z, torch.full_like(z, 0.3), training, 0)["memorisation"]
    assert row.verdict == "red"
    assert not row.headline


def test_points_are_compared_by_their_neighbours() -> None:
    g = torch.Generator().manual_seed(12)
    ring = torch.nn.functional.normalize(normal(1_200, 2, g), dim=1) + 0.05 * normal(1_200, 2, g)
    side = posterior_side(
        ring[:300], StandardNormal(2), Bubbles(ring[300:]), None, None, generator=g, prior_generator=g
    )
    assert side.rows["three_way"].effect > 0.7
    assert side.rows["holes"].effect > 0.3
    assert "no spread" in side.rows["two_draw"].reason
    z = normal(400, 3, g)
    many = normal(20_000, 3, g)
    density = Bubbles(many[:10_000]).log_density(z)
    assert float((density - StandardNormal(3).log_prob(z)).abs().median()) < 0.4


def test_worst_axis_and_signal_direction_are_found() -> None:
    g = torch.Generator().manual_seed(13)
    z = normal(600, 16, g)
    z[:, 5] = torch.where(z[:, 5] > 0, 1.0, -1.0) + 0.05 * z[:, 5]
    row = per_axis_row(z, StandardNormal(16))
    assert row.details["axis"] == 5
    assert row.p < 1e-6
    v = torch.nn.functional.normalize(normal(1, 16, g), dim=1)[0]
    mean = normal(800, 1, g).sign() * v
    std = torch.full((800, 16), 0.9).double()
    directions, ratios = signal_directions(mean, std)
    assert abs(float(directions[0] @ v)) > 0.999
    assert ratios[0] > 100 * ratios[1]
    assert torch.allclose(directions @ directions.T, torch.eye(8).double(), atol=1e-8)


def test_small_kernel_sees_clumps_that_the_axes_do_not() -> None:
    g = torch.Generator().manual_seed(14)
    centres = normal(60, 8, g)
    z = 0.999 * centres[torch.randint(60, (1_000,), generator=g)] + 0.05 * normal(1_000, 8, g)
    row = mmd_small_row(z, StandardNormal(8))
    assert row.p < 1e-6
    assert row.n_star.n < 300
    assert small_bandwidth(16) == 1.0


def test_skewness_of_the_small_kernel_against_simulation() -> None:
    from lather.auditing.pairs import _skewness

    g = torch.Generator().manual_seed(15)
    n, d, h = 40, 2, 0.7
    mmd = lt.MMD(lt.GaussianKernel(h))
    draws = torch.stack([mmd(normal(n, d, g), StandardNormal(d)) for _ in range(4_000)]).numpy()
    assert _skewness(h**-2, n, d) == pytest.approx(float(stats.skew(draws)), abs=0.25)


def test_geometry_beside_the_prior() -> None:
    g = torch.Generator().manual_seed(16)
    flat = normal(1_000, 2, g) @ normal(2, 10, g)
    assert effective_rank(flat)[0] < 2.01
    assert two_nn(flat) == pytest.approx(2.0, abs=0.3)
    assert two_nn(normal(1_000, 64, g)) < 50
    assert math.isnan(two_nn(torch.ones(50, 3).double()))


def linear(g: torch.Generator, width: float) -> list[Row]:
    """x = z + ½ noise; the true posterior is N(x/1.25, .2)."""

    def sample(z: Tensor, generator: torch.Generator) -> Tensor:
        return z + 0.5 * torch.randn(z.shape, generator=generator)

    return sbc_rows(
        lambda x: (x / 1.25, torch.full_like(x, width * math.sqrt(0.2))), sample, StandardNormal(3), generator=g
    )


def test_calibration_of_encoder_against_decoder() -> None:
    right, narrow, wide = (linear(torch.Generator().manual_seed(17), w) for w in (1.0, 0.7, 1.4))
    assert [row.key for row in right] == ["sbc", "sbc_radius"]
    assert all(row.p > 1e-3 for row in right)
    assert narrow[1].p < 1e-6
    assert "too narrow" in narrow[1].meaning
    assert "too wide" in wide[1].meaning
    p = [[row.p for row in linear(torch.Generator().manual_seed(s), 1.0)] for s in range(60)]
    assert all(stats.kstest(column, "uniform").pvalue > 1e-3 for column in zip(*p, strict=True))
    with pytest.raises(ShapeError, match="flatten"):
        sbc_rows(lambda x: (x[:, :1], x[:, :1]), lambda z, _: z, StandardNormal(3))
    with pytest.raises(DataError, match="not positive"):
        sbc_rows(lambda x: (x, 0 * x), lambda z, _: z, StandardNormal(3))


def test_the_report_has_them_in_order(tmp_path) -> None:
    g = torch.Generator().manual_seed(18)
    mean, std = puzzle(900, 4, 0.5, g)
    z = mean + std * normal(900, 4, g)
    report = measure_latents(
        z[:300], StandardNormal(4), means=mean[:300], stds=std[:300], train_means=mean[300:], train_stds=std[300:]
    )
    assert list(report.rows)[:4] == ["rate", "overlap", "two_draw", "three_way"]
    assert all(report.rows[key].computed for key in ("rate", "two_draw", "three_way", "holes", "memorisation"))
    assert report.verdict == "green"  # own bubbles are no fault
    assert report.telling.key != "two_draw"
    report.save(tmp_path)
    rate = json.loads((tmp_path / "report.json").read_text())["rate"]
    assert set(rate) == {"R", "mi", "log_n", "regime"}
    assert rate["regime"] == "covering"
    assert Report.load(tmp_path) == report
    assert "Rate budget" in str(report)
    assert measure_latents(z, StandardNormal(4)).to_dict()["rate"] is None


def test_mistakes_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lather.divergences.null._DRAWS", 99)  # p-values are not looked at
    mean = torch.randn(100, 3)
    with pytest.raises(ShapeError, match="one of each"):
        Bubbles(mean, torch.ones(100, 2))
    with pytest.raises(DataError, match="log-variances"):
        Bubbles(mean, -torch.ones(100, 3))
    with pytest.raises(DataError, match="at least 20"):
        Bubbles(mean[:5])
    with pytest.raises(ShapeError, match="must agree"):
        measure_latents(mean, StandardNormal(3), train_means=torch.randn(100, 4))
    with pytest.raises(DataError, match="leave them out"):
        measure_latents(mean, StandardNormal(3), means=mean, stds=0 * mean)
    prior = UniformSphere(3)
    report = measure_latents(prior.sample(50), prior, train_means=prior.sample(50))
    assert "density" in report.rows["three_way"].reason
    assert "highest density" in report.rows["strays"].reason


@pytest.mark.exhaustive
def test_a_vae_on_mnist_packs_and_a_loose_one_strays(data_root, monkeypatch: pytest.MonkeyPatch) -> None:
    """Formulas in kind: at d = 8 bubbles pack and prior draws meet holes; β = .1 is far worse, and strays say so."""
    from lather.train.assemble import assemble

    monkeypatch.setenv("LATHER_DATA", str(data_root))
    data = lt.load("mnist", limit=4_000, binarize=True, progress=False)
    reports = {}
    for beta in (1.0, 0.1):
        model = assemble("vae", data, 8, nets="mlp", options={"weight": beta})
        reports[beta] = lt.audit(lt.fit(model, data, epochs=6, progress=False), data=data)
    usual, loose = reports[1.0], reports[0.1]
    rate = usual.to_dict()["rate"]
    assert rate["R"] > rate["log_n"] > rate["mi"] > rate["log_n"] - 2
    assert loose.to_dict()["rate"]["regime"] == "packing"
    assert usual.rows["three_way"].effect > 0.55
    assert usual.rows["holes"].effect > 0.02
    assert loose.rows["strays"].effect > 3 * usual.rows["strays"].effect
    assert loose.rows["strays"].verdict == "red"
    assert usual.rows["memorisation"].effect < 0.6
