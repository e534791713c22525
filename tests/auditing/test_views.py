"""Plots, card and page: drawn from saved arrays, without pyplot, escaped, self-contained."""

from __future__ import annotations

import io
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from rich.console import Console

from lather.auditing import Report, measure_latents
from lather.auditing.card import plain, print_card
from lather.auditing.curves import loss_curves
from lather.auditing.grids import image_grid, reconstruction_grid, save_image
from lather.auditing.page import render
from lather.auditing.plots import column_match, ladder_bars, latent_map, radius_histogram
from lather.auditing.theme import DARK, LIGHT, png, save
from lather.errors import DataError, ShapeError
from lather.priors import GaussianMixture, StandardNormal, UniformCube, UniformSphere

pytestmark = pytest.mark.usefixtures("few_draws")

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def report() -> Report:
    generator = torch.Generator().manual_seed(4)
    z = 1.3 * torch.randn(300, 3, generator=generator)
    images = torch.rand(300, 1, 8, 8, generator=generator)
    labels = torch.arange(300) % 4 - 1
    return measure_latents(
        z,
        StandardNormal(3),
        data=images,
        decode=lambda c: torch.sigmoid(c[:, :1, None, None] * torch.ones(1, 1, 8, 8)),
        labels=labels,
        label_names=["<script>alert(1)</script>", "b", "c"],
        context={"data": "<img src=x onerror=alert(1)>"},
    )


def test_maps_for_every_kind_of_prior(generator: torch.Generator) -> None:
    mixture = GaussianMixture(torch.tensor([[3.0, 0.0], [-3.0, 0.0]]), 0.5)
    for prior in (StandardNormal(2), UniformCube(2), UniformSphere(2), mixture, StandardNormal(1), UniformCube(5)):
        z = prior.sample(100, generator=generator)
        assert png(latent_map(z, prior, generator=generator)).startswith(PNG)
        assert png(radius_histogram(z, prior, generator=generator)).startswith(PNG)


def test_more_classes_than_colours(generator: torch.Generator) -> None:
    z = torch.randn(300, 4, generator=generator)
    figure = latent_map(z, StandardNormal(4), torch.arange(300) % 25)
    assert len(figure.axes[0].get_legend_handles_labels()[1]) == 22  # 20 classes, "…", the prior


def test_axes_say_what_they_are(generator: torch.Generator) -> None:
    z = torch.randn(300, 4, generator=generator)
    z[:, 2] *= 3
    axes = latent_map(z, StandardNormal(4)).axes[0]
    assert "largest variance" in axes.get_xlabel()
    histogram = radius_histogram(z, StandardNormal(4)).axes[0]
    assert histogram.get_xlabel().endswith("‖z‖")
    assert "density" in histogram.get_ylabel()


def test_the_radius_law_is_a_density() -> None:
    line = radius_histogram(torch.randn(100, 9), StandardNormal(9)).axes[0].get_lines()[0]
    x, y = line.get_data()
    assert np.trapezoid(y, x) == pytest.approx(1, abs=0.01)


def test_same_figure_same_bytes(tmp_path) -> None:
    z = torch.randn(50, 2)
    a, b = (png(latent_map(z, StandardNormal(2), theme=DARK)) for _ in range(2))
    assert a == b
    save(latent_map(z, StandardNormal(2), theme=DARK), tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes() == a


def test_plots_do_without_pyplot_and_leave_the_settings_alone() -> None:
    code = (
        "import sys, torch, matplotlib; before = matplotlib.rcParams.copy();"
        "from lather.auditing.plots import latent_map; from lather.auditing.theme import png;"
        "from lather.priors import StandardNormal;"
        "png(latent_map(torch.randn(50, 3), StandardNormal(3)));"
        "assert 'matplotlib.pyplot' not in sys.modules; assert matplotlib.rcParams.copy() == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_audit_is_light() -> None:
    code = (
        "import sys, lather.auditing;"
        "late = {'scipy', 'sklearn', 'matplotlib', 'PIL', 'rich', 'jinja2'} & set(sys.modules); assert not late, late"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_grids_show_every_pixel(tmp_path) -> None:
    images = torch.rand(5, 3, 8, 8)
    grid = np.asarray(image_grid(images, columns=3))
    expected = (images[4].permute(1, 2, 0) * 255).round().numpy()
    assert np.abs(grid[4 + 68 + 4 : 4 + 68 + 64 : 8, 4 + 68 + 4 : 4 + 68 + 64 : 8] - expected).max() <= 1
    pairs = reconstruction_grid(images, 1 - images, columns=5, theme=DARK)
    column = np.asarray(pairs)[:, 104 + 4 + 4]
    assert np.abs(column[4 + 4].astype(int) + column[4 + 68 + 4] - 255).max() <= 1  # right below each other
    save_image(pairs, tmp_path / "pairs.png")
    assert (tmp_path / "pairs.png").read_bytes().startswith(PNG)
    with pytest.raises(ShapeError, match="column_match"):
        image_grid(torch.rand(5, 7))


def test_large_images_are_not_enlarged() -> None:
    assert image_grid(torch.rand(2, 3, 100, 120), columns=2).size == (2 * 124 + 4, 108)


def test_loss_curves() -> None:
    rows = [
        {"step": t, "epoch": 1, "split": s, "loss": 5.0 / t, "match": -0.1, "seconds": 1.0}
        for t in range(1, 9)
        for s in ("train", "validation")
    ]
    figure = loss_curves([*rows, {"step": 9, "epoch": 2, "split": "train", "loss": float("nan")}])
    assert [axes.get_title() for axes in figure.axes] == ["loss", "match"]
    with pytest.raises(DataError, match="no finite losses"):
        loss_curves([{"step": 1, "split": "train", "loss": float("nan")}])


def test_bars_and_columns(report: Report) -> None:
    assert png(ladder_bars(list(report.rows.values()), LIGHT)).startswith(PNG)
    assert ladder_bars([]) is None
    assert png(column_match(np.random.default_rng(0).normal(size=(20, 3)), np.zeros((20, 3)))).startswith(PNG)


def test_page_is_self_contained_and_escaped(report: Report) -> None:
    page = render(report)
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page
    assert not re.findall(r"(?:src|href|srcset)=\"(?!data:image/png;base64,|#)", page)
    assert "http" not in page.replace("http-equiv", "")
    assert report.headline in page
    for row in report.rows.values():
        assert row.title[1:] in page
    assert page.count("data:image/png") == 2 * 10  # light and dark


def test_card_in_a_pipe_and_in_a_terminal(report: Report, tmp_path) -> None:
    pictures = [tmp_path / "samples.png", tmp_path / "losses.png"]
    pipe = io.StringIO()
    print_card(report, pictures=pictures, console=Console(file=pipe, force_terminal=False))
    assert pipe.getvalue() == plain(report, pictures=pictures) + "\n"
    assert "\x1b" not in pipe.getvalue()
    assert pipe.getvalue().splitlines()[1] == report.headline
    assert "samples.png, losses.png" in " ".join(pipe.getvalue().split())
    terminal = io.StringIO()
    print_card(report, console=Console(file=terminal, force_terminal=True, width=90))
    assert "\x1b" in terminal.getvalue()
    assert "Sampling gap" in terminal.getvalue()
