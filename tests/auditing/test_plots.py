"""Plots: the arrays they are made of are right, and every axis says what it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lather.auditing import Report, measure_latents
from lather.auditing.auc import compare
from lather.auditing.figures import FIGURES, drawn
from lather.auditing.groups import GROUPS
from lather.auditing.plots import draw_distances, draw_qq, draw_roc, draw_spectrum, kl_bars
from lather.auditing.plots.distances import distance_data
from lather.auditing.plots.map import map_data
from lather.auditing.plots.qq import qq_data, simultaneous_band
from lather.auditing.plots.roc import curve
from lather.priors import GaussianMixture, StandardNormal, UniformCube, UniformSphere

pytestmark = pytest.mark.usefixtures("few_draws")


def test_distances_are_a_density_and_that_of_the_prior(generator: torch.Generator) -> None:
    for prior in (StandardNormal(6), UniformCube(3), UniformSphere(4), GaussianMixture(torch.eye(3)[:2] * 4, 0.5)):
        z = prior.sample(400, generator=generator).double()
        _, arrays = distance_data(z, prior, generator)
        width = np.diff(arrays["distance_edges"])
        for name in ("distance_density", "distance_law"):
            assert (arrays[name] * width).sum() == pytest.approx(1, abs=0.01)
        gap = np.abs(np.cumsum((arrays["distance_density"] - arrays["distance_law"]) * width)).max()
        assert gap < 0.05  # 400 draws; twice as wide latents give 0.4
        _, wide = distance_data(2 * z, prior, generator)
        width = np.diff(wide["distance_edges"])
        assert np.abs(np.cumsum((wide["distance_density"] - wide["distance_law"]) * width)).max() > 0.2


def test_latents_that_coincide_have_no_distances_to_draw(generator: torch.Generator) -> None:
    assert distance_data(torch.zeros(30, 2).double() + 1e-30, UniformSphere(2), generator)[1].keys() <= {
        "distance_edges",
        "distance_density",
        "distance_law",
    }


@pytest.mark.parametrize(("n", "k"), [(60, 1), (2000, 1), (500, 8)])
def test_the_band_holds_whole_prior_samples(n: int, k: int) -> None:
    ranks = np.unique(np.linspace(1, n, 60).round().astype(int))
    low, high = simultaneous_band(n, ranks, 1 - 0.95 ** (1 / k))
    assert (np.diff(low) > 0).all()
    assert (low < ranks / (n + 1)).all()
    assert (ranks / (n + 1) < high).all()
    uniform = np.sort(np.random.default_rng(5).random((1000, k, n)) if n * k < 5000 else _few(n, k), axis=-1)
    inside = ((uniform[..., ranks - 1] >= low) & (uniform[..., ranks - 1] <= high)).all(axis=(1, 2))
    assert 0.92 < inside.mean() < 0.98


def _few(n: int, k: int) -> np.ndarray:
    return np.random.default_rng(6).random((600, k, n))


def test_quantiles_lie_on_the_line_or_do_not(generator: torch.Generator) -> None:
    for prior in (StandardNormal(3), UniformCube(3)):
        z = prior.sample(1000, generator=generator).double()
        direction = torch.eye(3).double()[1]
        _, arrays = qq_data("axis", "t", z, direction, prior, chosen_from=3, generator=generator)
        _, found, low, high = arrays["qq_axis"]
        assert ((found >= low - 1e-3) & (found <= high + 1e-3)).all()
        _, arrays = qq_data("axis", "t", z + 0.5, direction, prior, chosen_from=3, generator=generator)
        _, found, low, high = arrays["qq_axis"]
        assert ((found < low) | (found > high)).mean() > 0.5


def test_the_area_below_a_curve_is_the_auc(generator: torch.Generator) -> None:
    x, y = torch.randn(800, generator=generator).double() + 0.8, torch.randn(900, generator=generator).double()
    for a, b in ((x, y), (y, x), (x.round(), y.round())):
        line = curve(a, b)
        assert np.trapezoid(line[1], line[0]) == pytest.approx(compare(a, b).auc, abs=0.01)
        assert (np.diff(line, axis=1) >= 0).all()
        assert line[:, 0].tolist() == [0, 0]
        assert line[:, -1].tolist() == [1, 1]


def test_bubbles_are_posteriors_seen_in_the_plane() -> None:
    means, stds = torch.zeros(50, 2).double(), torch.tensor([[0.3, 0.1]]).double().expand(50, 2)
    z = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)).double()
    _, arrays = map_data(z, StandardNormal(2), None, (), None, means, stds)
    assert arrays["map_bubbles"].shape == (24, 5)
    assert arrays["map_bubbles"][0].tolist() == pytest.approx([0, 0, 0.09, 0.01, 0])
    assert "map_bubbles" not in map_data(z, StandardNormal(2), None, (), None)[1]


def test_every_axis_of_every_new_plot_is_named(generator: torch.Generator) -> None:
    z = torch.randn(100, 3, generator=generator).double()
    band = qq_data("axis", "t", z, torch.eye(3).double()[0], StandardNormal(3), chosen_from=3)[1]["qq_axis"]
    figures = [
        draw_distances(*distance_data(z, StandardNormal(3), generator)),
        draw_qq([("worst", band), ("other", band)]),
        draw_roc({"roc_three_way": curve(z[:, 0].contiguous(), z[:, 1].contiguous())}, {"three_way": 0.5}),
        draw_spectrum([3.0, 1.0, 1e-12], [1.1, 1.0, 0.9], 3),
        draw_spectrum([1.01, 1.0], [1.0, 0.99], 2),
        kl_bars([0.5, 0.0, 2.0]),
        kl_bars([0.01] * 200),
    ]
    for figure in figures:
        for axes in figure.axes:
            assert axes.get_xlabel()
            assert axes.get_ylabel()
            assert axes.get_title()
    assert "nats" in figures[-1].axes[0].get_ylabel()


def test_figures_are_drawn_only_from_what_is_there() -> None:
    z = 1.2 * torch.randn(60, 2, generator=torch.Generator().manual_seed(1))
    report = measure_latents(z, StandardNormal(2))
    keys = [picture.figure.key for picture in drawn(report)]
    assert keys == ["map", "roc", "ladder", "radius", "distances", "qq", "spectrum"]
    assert {figure.group for figure in FIGURES} <= {"top", *(group.key for group in GROUPS)}
    assert drawn(Report(60, 2, "p", 0, {})) == []
