"""The blame table: who is to blame in cases where that is known."""

from __future__ import annotations

import json

import pytest
import torch

from lather.auditing import Row, measure_latents, sampling_gap
from lather.auditing.blame import IMAGE_KEYS, image_rows
from lather.auditing.gap import METRICS
from lather.priors import Normal, StandardNormal

pytestmark = pytest.mark.usefixtures("few_draws")

PRIOR = StandardNormal(3)


def itself(z: torch.Tensor) -> torch.Tensor:
    return z


@pytest.fixture(scope="module")
def z() -> torch.Tensor:
    return torch.randn(800, 3, generator=torch.Generator().manual_seed(1))


def rows_of(
    decode, data: torch.Tensor, draws: torch.Tensor, means: torch.Tensor | None = None, **more
) -> dict[str, Row]:
    gap = sampling_gap(decode, data, draws, PRIOR, means=means, splits=8, **more)
    rows = image_rows(gap)
    assert tuple(row.key for row in rows) == IMAGE_KEYS
    return {row.key: row for row in rows}


def table(row: Row) -> dict[str, list[float]]:
    return {line[0]: line[1:] for line in row.details["table"]["rows"]}


def test_a_perfect_model_has_nothing_to_blame(z: torch.Tensor) -> None:
    rows = rows_of(itself, z, z)
    assert all(row.verdict in ("green", "grey") for row in rows.values())
    assert rows["blame"].details["step"] is None
    assert "No step stands out" in rows["blame"].meaning
    assert rows["coverage"].details["expected"] == pytest.approx(0.969, abs=0.001)
    assert rows["coverage"].effect == pytest.approx(0.969, abs=0.03)
    assert rows["precision"].effect > rows["precision"].null
    assert rows["kid_prior"].effect < rows["kid_prior"].null + 0.02
    json.dumps([row.to_dict() for row in rows.values()], allow_nan=False)


def test_the_table_has_every_set_and_metric_and_real_data_first(z: torch.Tensor) -> None:
    rows = rows_of(itself, z, z)
    whole = rows["blame"].details["table"]
    assert [line[0] for line in whole["rows"]] == [
        "other real data",
        "reconstructions",
        "decodes of held-out latents",
        "generated from the prior",
    ]
    assert all(len(line) == len(whole["columns"]) == 1 + len(METRICS) for line in whole["rows"])
    assert table(rows["recall"])["generated from the prior"][0] == rows["recall"].effect
    assert table(rows["recall"])["other real data"] == rows["recall"].details["real"]
    assert table(rows["kid_posterior"])["decodes of held-out latents"][0] == rows["kid_posterior"].effect


def test_a_decoder_that_forgets_half_the_data_is_blamed(z: torch.Tensor) -> None:
    rows = rows_of(lambda c: torch.cat([c[:, :1].abs(), c[:, 1:]], 1), z, z, features=itself)
    assert rows["blame"].details["step"] == "decoder"
    assert rows["blame"].details["shares"]["decoder"] > 0.9
    assert "decoder more capacity" in rows["blame"].remedy
    assert {rows[key].verdict for key in ("recall", "coverage")} <= {"amber", "red"}
    assert rows["precision"].verdict == "green"
    assert "what the decoder cannot do" in rows["recall"].meaning


def test_latents_that_miss_the_prior_are_blamed(z: torch.Tensor) -> None:
    rows = rows_of(lambda c: c * 5, z, z / 5)  # prior draws are five times too wide
    assert rows["blame"].details["step"] == "gap"
    assert rows["precision"].verdict == rows["density"].verdict == "red"
    assert "matching term" in rows["precision"].remedy
    assert table(rows["precision"])["reconstructions"][0] == pytest.approx(rows["precision"].details["real"][0])


def test_noise_is_blamed(z: torch.Tensor, generator: torch.Generator) -> None:
    noisy = z / 3 + torch.randn(z.shape, generator=generator) * (8 / 9) ** 0.5  # the prior's law, far from the means
    rows = rows_of(lambda c: c, z / 3, noisy, means=z / 3)
    assert rows["blame"].details["step"] == "noise"
    assert "latent noise" in rows["blame"].meaning


def test_a_fitted_sampler_is_scored_beside_the_prior(z: torch.Tensor) -> None:
    wide = Normal(torch.zeros(3), 9 * torch.eye(3))
    gap = sampling_gap(itself, 3 * z, 3 * z, wide, unfitted=PRIOR, splits=4)
    rows = {row.key: row for row in image_rows(gap, fitted=wide, prior=PRIOR)}
    scores = table(rows["blame"])
    assert scores["generated from StandardNormal(3)"][0] > 5 * scores["generated from the fitted Normal"][0]
    assert rows["recall"].verdict == "green"
    whole = measure_latents(3 * z[:60], PRIOR, data=3 * z[:60], decode=itself, sampler=wide)
    assert "generated from StandardNormal(3)" in table(whole.rows["coverage"])


@pytest.mark.slow
def test_false_alarms_are_rare(generator: torch.Generator) -> None:
    alarms = 0
    for _ in range(40):
        z = torch.randn(120, 8, generator=generator)
        gap = sampling_gap(itself, z, z, StandardNormal(8), generator=generator)
        rows = image_rows(gap)
        alarms += any(row.verdict in ("amber", "red") for row in rows)
    assert alarms <= 5  # 5% of models would be 2 of 40; P(more than 5) = 1.4%
