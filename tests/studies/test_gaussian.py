"""Study of Gaussian latents: measures against closed forms, and sentences that follow from numbers, made up here."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from lather.auditing import Report, Row
from lather.auditing.theme import DARK, LIGHT
from lather.divergences import CramerWold, DistanceCDF, RadiusCDF
from lather.divergences.detection import DetectionSize
from lather.divergences.mardia import mardia_moments, mardia_null
from lather.models import LatentNorm, Match, Reconstruction
from lather.studies.estimate import Estimate, estimate
from lather.studies.gap_pictures import Point, draw_picture, scatter_picture
from lather.studies.gaussian_answer import gaussian_answer, gaussian_claims
from lather.studies.gaussian_lines import Drawn, Method, draw_rows, method_rows, relations, trap_rows
from lather.studies.match_case import MatchCase, Trap, own_statistic
from lather.studies.match_matrix import matrix
from lather.studies.matrix_picture import matrix_picture
from lather.studies.relation import Relation, relation
from lather.studies.two_shells import two_shells
from lather.studies.whitening import whitening


def test_whitened_latents_have_mean_0_and_covariance_1_and_come_back(generator: torch.Generator) -> None:
    z = torch.randn(300, 5, generator=generator) @ torch.randn(5, 5, generator=generator) + 7
    map_ = whitening(z)
    white = map_(z)
    assert torch.allclose(white.mean(0), torch.zeros(5).double(), atol=1e-9)
    assert torch.allclose(torch.cov(white.T), torch.eye(5).double(), atol=1e-4)
    assert torch.allclose(map_.undo(white), z.double(), atol=1e-6)


def test_two_shells_have_the_moments_of_a_normal_law(generator: torch.Generator) -> None:
    n, d = 1500, 6
    z = two_shells(n, d, generator=generator)
    square = z.square().sum(1)
    assert sorted({round(float(r), 6) for r in square}) == pytest.approx([d - math.sqrt(2 * d), d + math.sqrt(2 * d)])
    assert float(square.var(correction=0)) == pytest.approx(2 * d, rel=0.01)
    skewness, kurtosis = mardia_moments(z)
    mean1, mean2, variance2 = mardia_null(n, d)
    assert float(skewness) == pytest.approx(mean1, rel=0.25)
    assert abs(float(kurtosis) - mean2) < 3 * math.sqrt(variance2)


def test_rank_correlation_is_spearmans_with_a_bootstrap_interval() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=40)
    y = x + rng.normal(size=40)
    found = relation(x.tolist(), y.tolist())
    assert found.rho == pytest.approx(stats.spearmanr(x, y)[0])
    assert found.low < found.rho < found.high
    assert relation([1, 2, 3, math.inf], [1, 2, 3, 9]).rho == 1
    assert relation([1, 2, 3, math.nan], [3, 2, 1, 0]).n == 3
    assert math.isnan(relation([1, 2], [1, 2]).rho)


def test_the_own_statistic_is_the_sum_of_what_batches_are_compared_by() -> None:
    assert own_statistic(Reconstruction() + 0.1 * LatentNorm()) is None
    both = own_statistic(Reconstruction() + 3.0 * Match(RadiusCDF()) + 3.0 * Match(DistanceCDF()))
    assert repr(both) == repr(RadiusCDF() + DistanceCDF())
    assert isinstance(own_statistic(Reconstruction() + 2.0 * Match(CramerWold())), CramerWold)


# sentences -------------------------------------------------------------------------------------------------------


def one(*values: float) -> Estimate:
    return estimate(values)


def size(n: float) -> DetectionSize:
    return DetectionSize(n, n, n, 4000)


def report(n: float, gap: float | None) -> Report:
    test = Row("radius", "radius", effect=1.0, n_star=size(n), p_adjusted=1e-9, verdict="red")
    return Report(100, 8, "N", 0, {"radius": test, "gap": Row("gap", "gap", effect=gap)})


ENERGY = Method(
    "energy-ae",
    "energy-ae",
    one(20.0),
    one(20.0),
    one(400.0),
    one(60.0),
    one(30.0),
    one(5.0),
    one(40.0),
    one(0.6),
    one(0.05),
    one(0.01),
    one(0.5),
)
PLAIN = replace(ENERGY, label="ae", recipe="ae", n=one(3.0), normal=one(3.0), own=one(), gap=one(200.0))
VAE = replace(ENERGY, label="vae", recipe="vae", own=one(), gap=one(50.0))
CUBE = replace(ENERGY, label="energy-ae, uniform cube", normal=one(8.0), gap=one(28.0))
MENDED = Drawn("ae", {"before": one(200.0), "mixture": one(20.0)}, {"before": one(3.0), "mixture": one(50.0)}, one(3.0))
STUCK = replace(MENDED, gaps={"before": one(200.0), "mixture": one(190.0)})
WHITE = Trap("whitened ae", report(4, 80.0), size(30.0))
SHELLS = Trap("two shells", report(3, None), size(math.inf))


def verdicts(methods: list[Method], draws: list[Drawn], traps: list[Trap]) -> list[str]:
    return [claim.verdict for claim in gaussian_claims(methods, draws, traps)]


def test_claims_turn_with_the_numbers() -> None:
    every = [PLAIN, VAE, ENERGY, CUBE]
    assert verdicts(every, [MENDED], [WHITE, SHELLS]) == [
        "fails",
        "fails",
        "not decided",
        "fails",
        "holds in part",
        "not decided",
    ]
    good = replace(ENERGY, n=one(9000.0), own=one(9500.0), gap=one(1.0))
    far = replace(CUBE, gap=one(90.0), recipe="energy-ae", n=one(9000.0), own=one(9900.0))
    blunt = replace(WHITE, mardia=size(5))
    passing = replace(VAE, mardia=one(math.inf), holes=one(0.01))
    found = verdicts([PLAIN, passing, good, far], [STUCK], [blunt, SHELLS])
    assert found == ["holds", "holds", "fails", "holds", "fails", "holds in part"]
    mixed = [replace(ENERGY, n=one(300.0), own=one(600.0)), replace(VAE, gap=one(5.0), holes=one(0.01))]
    assert verdicts(mixed, [MENDED, STUCK, STUCK], [blunt]) == [
        *("holds in part", "holds in part", "not decided", "holds in part", "holds", "fails")
    ]
    assert verdicts([PLAIN], [], []) == ["not decided"] * 6


def test_the_headline_follows_from_what_drawing_elsewhere_does() -> None:
    related = {"holes": Relation(0.8, 0.3, 0.9, 12), "size": Relation(0.1, -0.4, 0.5, 12)}
    words = gaussian_answer([PLAIN, VAE, ENERGY], [MENDED], [WHITE, SHELLS], related)
    assert words[0].startswith("Latents need not be Gaussian")
    assert "1 of 1 methods pass the statistic that they were trained on" in words[2]
    assert words[3].startswith("A few moments are a trap: two shells need more than were tried latents")
    assert words[-1].startswith("Over 12 runs the sampling gap goes with: holes 0.80 (0.30 to 0.90)")
    assert gaussian_answer([PLAIN], [STUCK], [], related)[0].startswith("Here it matters what latents follow")
    assert gaussian_answer([PLAIN], [], [], {})[0].startswith("Whether Gaussian latents matter was not decided")
    unsure = {"holes": Relation(0.8, -0.3, 0.9, 12)}
    assert "no measure goes with the sampling gap for certain" in gaussian_answer([PLAIN], [], [], unsure)[-1]
    assert gaussian_answer([], [], [], {}) == ["Nothing could be trained, so nothing was measured."]


def test_cells_mark_what_was_trained_on_and_take_the_median_of_seeds() -> None:
    cases = [MatchCase(report(n, 1.0), size(5000), None, size(n), None) for n in (100.0, 300.0, 9000.0)]
    cells = matrix({"gae": cases, "ae": cases[:1]}, {"gae": "gae", "ae": "ae"})
    assert (cells["gae"]["radius"].n, cells["gae"]["radius"].verdict, cells["gae"]["radius"].trained) == (
        300,
        "amber",
        True,
    )
    assert cells["gae"]["own"].verdict == "green"
    assert not cells["ae"]["radius"].trained
    assert cells["ae"]["mardia"].verdict == "grey"
    assert math.isnan(cells["ae"]["energy"].n)
    assert matrix_picture(LIGHT, cells).axes


def test_relations_tables_and_pictures() -> None:
    cases = {
        f"{i}": [MatchCase(report(n, gap), None, size(n), size(n), None)]
        for i, (n, gap) in enumerate([(3.0, 90.0), (10.0, 50.0), (40.0, 30.0), (math.inf, 1.0)])
    }
    found = relations(cases)["told from the prior sooner (1/n*)"]
    assert (found.rho, found.n) == (1, 4)
    assert method_rows([PLAIN])[0]["n* (its own statistic)"] is None
    assert [row["drawn from"] for row in draw_rows([MENDED])] == ["its own prior", "mixture"]
    assert trap_rows([replace_rows(WHITE)])[0]["sampling gap"] == 80.0
    points = [Point("ae", 3.0, 90.0), Point("vae", math.inf, 1.0), Point("vae", math.nan, 1.0)]
    assert len(scatter_picture(DARK, points, "n*", logarithmic=True).axes[0].collections) == 2
    assert draw_picture(LIGHT, [MENDED, STUCK]).axes


def replace_rows(trap: Trap) -> Trap:
    """With the two rows that the table of traps shows."""
    more = {key: Row(key, key, effect=0.0, n_star=size(math.inf)) for key in ("ladder_1", "ladder_2")}
    return replace(trap, report=replace(trap.report, rows={**trap.report.rows, **more}))
