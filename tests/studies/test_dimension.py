"""Study of dimensions: measures against closed forms, and sentences that follow from numbers, made up here."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from lather.auditing.theme import LIGHT
from lather.studies.bubble_picture import bubble_circles
from lather.studies.counted import counted
from lather.studies.deciding import above, apart, less
from lather.studies.dimension_answer import dimension_answer, dimension_claims
from lather.studies.dimension_lines import Line, match_rows, number_rows, source_rows
from lather.studies.estimate import Estimate, estimate
from lather.studies.ideal_picture import ideal_picture
from lather.studies.large_latent import ideal_latents, threshold
from lather.studies.marginals import marginals
from lather.studies.shells import directions_at_random, nearest_bubble, reach
from lather.studies.size_pictures import rate_picture, source_picture
from lather.studies.sources import AGGREGATE, AROUND, PRIOR, REPAIRED, latent_sources
from lather.studies.union import Union, union


def test_the_nearest_of_two_bubbles_in_its_own_radius() -> None:
    mean, std = torch.tensor([[0.0, 0.0], [10.0, 0.0]]), torch.tensor([[1.0, 1.0], [2.0, 2.0]])
    z = torch.tensor([[3.0, 0.0], [8.0, 0.0]])
    assert nearest_bubble(z, mean, std).tolist() == pytest.approx([3 / math.sqrt(2), 2 / math.sqrt(8)])
    along = nearest_bubble(z + torch.tensor([0.0, 5.0]), mean, std, torch.tensor([[1.0, 0.0]]))
    assert along.tolist() == pytest.approx([3.0, 1.0])


def test_a_datums_own_latent_is_one_radius_away(generator: torch.Generator) -> None:
    mean, std = torch.randn(4000, 30, generator=generator), torch.full((4000, 30), 0.3)
    found = reach(mean, std, mean[:50], mean[50:90], directions_at_random(5, 30, generator), generator=generator)
    assert float(found.own.square().mean()) == pytest.approx(1, abs=0.06)
    assert found.k == 5
    assert float(found.held_out.max()) == pytest.approx(0, abs=1e-6)  # centres lie in the middle of their bubbles
    v = directions_at_random(5, 30, generator)
    assert torch.allclose(v @ v.T, torch.eye(5).double())


def test_circles_keep_measured_distances_radii_and_thickness() -> None:
    g = torch.Generator().manual_seed(0)
    mean, std = torch.randn(6, 40, generator=g), torch.rand(6, 40, generator=g) + 0.5
    circles = bubble_circles(mean, std)
    assert torch.allclose(circles[:, :2].norm(dim=1), mean.double().norm(dim=1))
    assert torch.allclose(circles[:, 2], std.double().square().sum(1).sqrt())
    draws = (std[0] * torch.randn(40_000, 40, generator=g)).norm(dim=1)
    assert float(circles[0, 3]) == pytest.approx(float(draws.std()), rel=0.03)


def test_marginals_of_the_prior_itself_pass_and_idle_ones_are_counted(generator: torch.Generator) -> None:
    mean, std = torch.zeros(1000, 40), torch.ones(1000, 40)
    mean[:, 0], std[:, 0] = 0.9 * torch.randn(1000, generator=generator), 0.4
    found = marginals(mean, std, mean + std * torch.randn(1000, 40, generator=generator))
    assert found.idle == 39
    assert found.centre == pytest.approx(math.sqrt(0.81 / 40), rel=0.1)
    assert 0.85 < found.pass_rate <= 1
    moved = marginals(mean + 1, std, mean + 1 + std * torch.randn(1000, 40, generator=generator))
    assert moved.pass_rate == 0


def test_one_bubble_that_is_the_prior_covers_it_and_far_ones_do_not(generator: torch.Generator) -> None:
    same = union(torch.zeros(500, 3), 0.99 * torch.ones(500, 3), torch.zeros(9, 3), generator=generator)
    assert same.variation < 0.1
    far = union(9 + torch.zeros(50, 3), torch.ones(50, 3), torch.zeros(500, 3), generator=generator)
    assert (far.own, far.held_out, far.prior) == (1, 0, 0)
    assert far.variation == 1


def test_between_two_normals_the_union_has_the_known_distance(generator: torch.Generator) -> None:
    found = union(torch.full((30, 1), 1.0), torch.ones(30, 1), torch.zeros(10, 1), generator=generator)
    # TV of N(1, 1) and N(0, 1) is 2 Φ(½) − 1; with 30 bubbles 30 own latents are drawn
    assert found.prior == pytest.approx(1 - 0.6915, abs=0.05)
    assert found.own == pytest.approx(0.6915, abs=0.25)


def test_perfect_latents_stop_covering_where_the_rate_passes_log_n() -> None:
    few, many = (ideal_latents(d, bubbles=500, held_out=300) for d in (12, 480))
    assert few.rate == pytest.approx(-6 * math.log(0.9), rel=0.1)
    assert many.rate > many.log_n + 3
    assert threshold(0.1, 500) == pytest.approx(2 * math.log(500) / -math.log(0.9))
    assert few.union.variation < 0.15
    assert many.union.variation > 0.9
    assert few.told < 0.1
    assert many.told > 0.9
    assert many.union.held_out < 0.1
    assert all(0.4 < one.auc < 0.6 for one in (few, many))  # yet no prior draw is less at home than a new datum
    assert many.pass_rate > 0.85
    assert ideal_picture(LIGHT, [few, many], 120).axes


def test_sources_lie_where_they_say(generator: torch.Generator) -> None:
    found = latent_sources(
        torch.full((4000, 2), 5.0), torch.full((10, 2), -3.0), torch.full((10, 2), 0.1), None, generator=generator
    )
    assert list(found) == [PRIOR, AROUND, AGGREGATE]
    assert [float(z.mean().round()) for z in found.values()] == [0, 5, -3]
    assert [round(float(z.std()), 1) for z in found.values()] == [1, 1, 0.1]


def test_what_intervals_leave_open_stays_open() -> None:
    assert less(estimate([1.0, 8.1]), estimate([2.0, 9.1])) is True  # of the same trainings: each is smaller
    assert apart(estimate([1.0, 8.1]), estimate([2.0, 9.1])) is None  # of others: that may be chance
    assert apart(estimate([1.0]), estimate([9.0])) is None
    assert apart(estimate([1.0, 1.1]), estimate([2.0, 2.1])) is True
    assert apart(estimate([1.0, 1.1]), estimate([2.0, 2.1]), margin=2.0) is False
    assert apart(estimate([1.0, 1.0]), estimate([1.0, 1.0])) is None
    assert less(estimate([1.0, 1.1]), estimate([9.0, 9.1])) is True
    assert less(estimate([9.0, 9.1]), estimate([1.0, 1.1])) is False
    assert less(estimate([1.0, 5.0]), estimate([2.0, 4.0])) is None
    assert less(estimate([2.0]), estimate([1.0])) is False
    assert above(estimate([float("nan")]), 0) is None


# sentences -------------------------------------------------------------------------------------------------------


def one(*values: float) -> Estimate:
    return estimate(values or (1.0,))


LARGE = Line(
    "512",
    512,
    one(20.0),
    8.0,
    one(7.9),
    "packing",
    one(0.1),
    one(0.95),
    one(490.0),
    one(0.93),
    one(0.97, 0.971),
    one(0.98),
    one(0.9),
    one(0.01),
    one(0.9),
    one(0.3),
    counted([3.0]),
    one(50.0),
    one(0.2),
    {"reconstruction": one(5.0), "posteriors": one(10.0), PRIOR: one(60.0), AROUND: one(20.0), REPAIRED: one(15.0)},
)
SMALL = replace(
    LARGE,
    label="2",
    d=2,
    rate=one(5.0),
    regime="between",
    idle=one(0.0),
    variation=one(0.3, 0.31),
    gap=one(5.0),
    n_star=counted([9.0]),
)


def verdicts(*lines: Line) -> list[str]:
    return [claim.verdict for claim in dimension_claims(lines, [])]


def test_claims_turn_with_the_numbers() -> None:
    assert verdicts(SMALL, LARGE) == ["holds", "holds", "fails", "fails", "holds", "holds"]
    lost = replace(LARGE, held_out_inside=one(0.02), distances={**LARGE.distances, AROUND: one(80.0)})
    assert verdicts(SMALL, lost)[0] == "holds in part"
    assert verdicts(SMALL, lost)[4:] == ["fails", "fails"]
    good = replace(LARGE, variation=one(0.1, 0.11), n_star=counted([9000.0]), gap=one(-1.0), held_out_inside=one(0.6))
    assert verdicts(SMALL, good) == ["fails", "fails", "holds", "holds", "holds in part", "holds"]
    far = replace(LARGE, centre=one(1.0), width=one(0.2), rate=one(900.0))
    assert verdicts(SMALL, far)[2:4] == ["not decided", "not decided"]
    seeds = replace(LARGE, variation=one(0.5, 1.0), held_out_inside=one(0.2, 0.9), n_star=counted([10, 900]))
    assert verdicts(replace(SMALL, variation=one(0.3, 0.8)), seeds) == ["not decided"] * 5 + ["holds"]


def test_overlap_that_no_longer_shrinks_once_the_rate_stands_still() -> None:
    middle = replace(LARGE, label="32", d=32, idle=one(10.0), variation=one(0.96))
    assert verdicts(SMALL, middle, LARGE)[1] == "holds in part"
    assert verdicts(replace(SMALL, rate=one(30.0)), middle, LARGE)[1] == "not decided"  # nor does it follow the rate


def test_the_headline_blames_what_the_numbers_blame() -> None:
    assert dimension_answer([SMALL, LARGE], [])[0].startswith("Because the encoder puts data where the prior seldom")
    assert "nearly all" in dimension_answer([SMALL, LARGE], [])[0]
    unmended = replace(LARGE, distances={**LARGE.distances, REPAIRED: one(59.0)})
    assert "no prior that was fitted to the latents mends it" in dimension_answer([SMALL, unmended], [])[0]
    decoder = replace(LARGE, distances={**LARGE.distances, PRIOR: one(8.0)})
    assert "sampling is not what breaks" in dimension_answer([SMALL, decoder], [])[0]
    open_ = replace(LARGE, distances={**LARGE.distances, PRIOR: one(10.1)})  # no difference seen is not none
    assert "it was not decided whether drawing costs" in dimension_answer([SMALL, open_], [])[0]
    assert dimension_answer([], []) == ["Nothing could be trained, so nothing was measured."]
    assert dimension_claims([], []) == []
    full = replace(LARGE, idle=one(3.0), passing=one(0.1))
    words = dimension_answer([SMALL, full], [])
    assert words[2].startswith("Few coordinates are idle (less than 0.01 nats): 3 of 512")
    assert words[3].startswith("At d = 512, 10% of its coordinates")


def test_tables_and_pictures_of_lines() -> None:
    lines = [SMALL, LARGE]
    assert [row["latent"] for row in number_rows(lines)] == ["2", "512"]
    assert match_rows(lines)[1]["sampling gap"] == LARGE.gap
    assert source_rows(lines)[0][AGGREGATE] is None
    assert rate_picture(LIGHT, lines).axes
    assert source_picture(LIGHT, lines).axes


def test_the_share_that_lies_inside_decides_a_claim_relative_to_training_data() -> None:
    covering = replace(LARGE, own_inside=one(0.55), held_out_inside=one(0.53))
    assert verdicts(SMALL, covering)[4] == "holds"
    assert Union(0.6, 0.5, 0.7).variation == 0
