"""The whole measurement: it tells the truth about known cases, and refuses what it cannot use."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from lather.auditing import Report, measure_latents, sampling_gap
from lather.errors import DataError, RunError, ShapeError
from lather.priors import StandardNormal, UniformCube

pytestmark = pytest.mark.usefixtures("few_draws")

BASIS = torch.randn(4, 36, generator=torch.Generator().manual_seed(3)) / 4
KEYS = ["rate", "overlap", "two_draw", "three_way", "ladder_1", "ladder_2", "ladder_3", "ladder_4", "radius"]
KEYS += ["pair_distance", "energy", "mmd_small", "per_axis", "signal", "holes", "crowding", "strays", "memorisation"]
KEYS += ["sbc", "sbc_radius", "reconstruction_error", "elbo", "iwae", "bits_per_dim"]
KEYS += ["fidelity_reconstruction", "fidelity_posterior", "fidelity_prior"]
KEYS += [
    "kid_reconstruction",
    "kid_posterior",
    "kid_prior",
    "precision",
    "recall",
    "density",
    "coverage",
    "gap",
    "blame",
]
KEYS += ["effective_rank", "two_nn", "active_units"]


def decode(z: torch.Tensor) -> torch.Tensor:
    return torch.sigmoid(2 * z @ BASIS).view(-1, 1, 6, 6)


@pytest.fixture(scope="module")
def z() -> torch.Tensor:
    return torch.randn(600, 4, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def report(z: torch.Tensor) -> Report:
    labels = (z[:, 0] > 0).long() + (z[:, 1] > 0).long()
    return measure_latents(z, StandardNormal(4), data=decode(z), decode=decode, labels=labels, elbo=-3.0)


def test_a_perfect_model_is_green(report: Report) -> None:
    assert list(report.rows) == KEYS
    assert report.verdict == "green"
    assert not report.detection_size.detected
    assert "No test tells" in report.headline
    assert report.rows["reconstruction_error"].effect < 1e-6
    assert report.rows["gap"].low <= 0
    assert report.rows["gap"].remedy == ""


def test_latents_that_miss_the_prior_are_red(z: torch.Tensor) -> None:
    wide = 3 * z
    report = measure_latents(wide, StandardNormal(4), data=decode(z), decode=lambda c: decode(c / 3))
    assert report.verdict == "red"
    assert report.rows["ladder_2"].verdict == "red"
    assert report.rows["ladder_1"].verdict in ("green", "amber")
    assert report.rows["gap"].low > 0
    assert report.rows["gap"].verdict == "red"
    assert report.detection_size.n < 20


def test_noise_and_decoder_are_blamed_for_their_own(z: torch.Tensor, generator: torch.Generator) -> None:
    noisy = (z + torch.randn(z.shape, generator=generator)) / 2**0.5
    gap = sampling_gap(lambda c: decode(c) * 0.8, decode(z), noisy, StandardNormal(4), means=z)
    assert gap.steps["decoder"]["frechet"].low > 0
    assert abs(gap.steps["gap"]["frechet"].value) < 0.1 * gap.scores["prior"]["frechet"].value


def test_halves_do_not_meet(z: torch.Tensor) -> None:
    """A model that returns the very datum scores like other real data, not like a copy."""
    gap = sampling_gap(decode, decode(z), z, StandardNormal(4))
    assert gap.scores["posterior"] == gap.scores["real"]
    assert gap.scores["posterior"]["frechet"].low > 0


def test_order_of_the_data_does_not_matter_much(z: torch.Tensor) -> None:
    ordered = z[z[:, 0].argsort()]
    a, b = (measure_latents(x, StandardNormal(4)) for x in (z, ordered))
    assert a.rows["ladder_2"].effect == pytest.approx(b.rows["ladder_2"].effect, rel=1e-9)
    assert b.verdict == "green"


def test_same_input_and_seed_same_report(z: torch.Tensor, report: Report) -> None:
    state = torch.get_rng_state()
    labels = (z[:, 0] > 0).long() + (z[:, 1] > 0).long()
    again = measure_latents(z, StandardNormal(4), data=decode(z), decode=decode, labels=labels, elbo=-3.0)
    assert again == report
    assert all(np.array_equal(again.arrays[name], array) for name, array in report.arrays.items())
    assert torch.equal(torch.get_rng_state(), state)  # the global generator was left alone


def test_what_is_missing_is_there_with_its_reason(z: torch.Tensor) -> None:
    report = measure_latents(z, UniformCube(4))
    assert list(report.rows) == KEYS
    assert "UniformCube" in report.rows["ladder_2"].reason
    assert report.rows["energy"].computed
    assert report.rows["radius"].verdict in ("amber", "red")
    assert report.rows["gap"].reason == "no decoder was given"
    tiny = measure_latents(z[:30], StandardNormal(4), data=decode(z[:30]), decode=decode)
    assert "too few to split" in tiny.rows["gap"].reason


@pytest.mark.parametrize("d", [1, 2, 3, 40])
def test_any_dimension(d: int, generator: torch.Generator) -> None:
    report = measure_latents(torch.randn(25, d, generator=generator), StandardNormal(d))
    assert report.arrays["map_points"].shape == (25, 2)


def test_spatial_latents_reach_the_decoder_in_their_shape(generator: torch.Generator) -> None:
    z = torch.randn(60, 2, 2, 1, generator=generator)
    seen = set()

    def spatial(codes: torch.Tensor) -> torch.Tensor:
        seen.add(codes.shape[1:])
        return decode(codes.flatten(1))

    report = measure_latents(z, StandardNormal(4), data=decode(z.flatten(1)), decode=spatial)
    assert seen == {(2, 2, 1)}
    assert report.rows["gap"].computed


def test_tables_are_measured_like_images(generator: torch.Generator) -> None:
    z = torch.randn(200, 4, generator=generator)
    report = measure_latents(z, StandardNormal(4), data=z @ BASIS, decode=lambda c: c @ BASIS)
    assert report.rows["gap"].verdict == "green"
    assert report.plots["pictures"] == "columns"


def test_bad_latents_are_refused_with_a_remedy(z: torch.Tensor) -> None:
    prior = StandardNormal(4)
    broken = z.clone()
    broken[5, 2] = float("nan")
    with pytest.raises(DataError, match="sample 5, dimension 2"):
        measure_latents(broken, prior)
    with pytest.raises(DataError, match="identical"):
        measure_latents(torch.ones(50, 4), prior)
    with pytest.raises(DataError, match="at least 20"):
        measure_latents(z[:10], prior)
    with pytest.raises(ShapeError, match="transposed"):
        measure_latents(torch.randn(4, 30), StandardNormal(4))
    with pytest.raises(ShapeError, match="z\\[:, None\\]"):
        measure_latents(torch.randn(30), StandardNormal(1))
    with pytest.raises(ShapeError, match="row by row"):
        measure_latents(z, prior, data=decode(z[:-1]), decode=decode)
    with pytest.raises(ShapeError, match="decode returned shape"):
        measure_latents(z, prior, data=torch.rand(600, 1, 7, 7), decode=decode)
    with pytest.raises(DataError, match="decoder"):
        measure_latents(z, prior, data=decode(z), decode=lambda c: decode(c) * float("nan"))


def test_saved_and_loaded(report: Report, tmp_path) -> None:
    report.save(tmp_path)
    first = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert set(first) == {"report.json", "report.npz", "report.html"}
    data = json.loads(first["report.json"])
    assert data["schema"] == 1
    assert [row["key"] for row in data["rows"]] == KEYS
    loaded = Report.load(tmp_path)
    assert loaded == report
    assert set(loaded.arrays) == set(report.arrays)
    loaded.save(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == first  # the page is made of the two files alone


def test_damaged_reports_are_named(report: Report, tmp_path) -> None:
    with pytest.raises(RunError, match="does not exist"):
        Report.load(tmp_path)
    report.save(tmp_path)
    whole = (tmp_path / "report.npz").read_bytes()
    (tmp_path / "report.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunError, match=r"report\.npz"):
        Report.load(tmp_path)
    np.savez(tmp_path / "report.npz", x=np.array([{}], dtype=object))
    with pytest.raises(RunError, match="cannot be read"):
        Report.load(tmp_path)
    (tmp_path / "report.json").write_text('{"schema": 2}')
    with pytest.raises(RunError, match="format 2"):
        Report.load(tmp_path)
