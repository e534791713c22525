"""Precision, recall, density and coverage against double loops, exact expectations and cases made by hand."""

from __future__ import annotations

import math

import pytest
import torch

from lather.auditing import neighbours
from lather.auditing.neighbours import coverage_null, neighbour_radii, neighbour_scores
from lather.errors import ConfigError, DataError, ShapeError


def slow(real: torch.Tensor, generated: torch.Tensor, k: int) -> tuple[float, float, float, float]:
    """The definitions, sample by sample."""

    def radius(x: torch.Tensor, i: int) -> float:
        return sorted(math.dist(x[i].tolist(), x[j].tolist()) for j in range(len(x)) if j != i)[k - 1]

    r = [radius(real, i) for i in range(len(real))]
    s = [radius(generated, j) for j in range(len(generated))]
    d = [[math.dist(x.tolist(), y.tolist()) for y in generated] for x in real]
    n, m = len(real), len(generated)
    precision = sum(any(d[i][j] <= r[i] for i in range(n)) for j in range(m)) / m
    recall = sum(any(d[i][j] <= s[j] for j in range(m)) for i in range(n)) / n
    density = sum(d[i][j] <= r[i] for i in range(n) for j in range(m)) / (k * m)
    coverage = sum(any(d[i][j] <= r[i] for j in range(m)) for i in range(n)) / n
    return precision, recall, density, coverage


@pytest.mark.parametrize("k", [1, 3])
def test_against_double_loops(k: int, generator: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    real = torch.randn(23, 3, generator=generator, dtype=torch.float64)
    generated = 0.7 + torch.randn(17, 3, generator=generator, dtype=torch.float64)
    expected = pytest.approx(slow(real, generated, k), abs=1e-12)
    assert neighbour_scores(real, generated, k) == expected
    monkeypatch.setattr(neighbours, "_BLOCK", 50)  # blocks of two rows
    assert neighbour_scores(real, generated, k) == expected


@pytest.mark.parametrize(("n", "m", "k"), [(60, 60, 5), (50, 30, 2)])
def test_expected_coverage_and_density_do_not_depend_on_the_law(
    n: int, m: int, k: int, generator: torch.Generator
) -> None:
    scores = []
    for i in range(300):
        x = torch.randn(n + m, 1 + 9 * (i % 2), generator=generator)
        x = x.exp() if i % 3 else x
        scores.append(neighbour_scores(x[:n], x[n:], k))
    found = torch.tensor(scores)
    mean, error = found.mean(0), found.std(0) / len(found) ** 0.5
    assert abs(mean[3] - coverage_null(n, m, k)) < 4 * error[3]
    assert abs(mean[2] - 1) < 4 * error[2]


def test_the_published_null() -> None:
    assert coverage_null(10_000, 10_000, 5) == pytest.approx(0.969, abs=5e-4)
    assert coverage_null(2, 1, 1) == pytest.approx(0.5)  # of the two others, either may be nearer


def clusters(n: int, where: list[float], generator: torch.Generator) -> torch.Tensor:
    centres = torch.tensor(where)[torch.randint(len(where), (n,), generator=generator)]
    return torch.stack([centres, torch.zeros(n)], 1) + 0.1 * torch.randn(n, 2, generator=generator)


def test_a_dropped_mode_costs_recall_and_coverage(generator: torch.Generator) -> None:
    real, other = clusters(500, [0, 5], generator), clusters(500, [0, 5], generator)
    floor, dropped = neighbour_scores(real, other), neighbour_scores(real, clusters(500, [0], generator))
    assert dropped.precision == pytest.approx(floor.precision, abs=0.02)
    assert dropped.density == pytest.approx(floor.density, abs=0.1)
    assert dropped.recall == pytest.approx(floor.recall / 2, abs=0.08)
    assert dropped.coverage == pytest.approx(floor.coverage / 2, abs=0.08)


def test_noise_beside_the_data_costs_precision_and_density(generator: torch.Generator) -> None:
    real, other = clusters(500, [0, 5], generator), clusters(500, [0, 5], generator)
    floor = neighbour_scores(real, other)
    other[:200] += 40 + 20 * torch.rand(200, 2, generator=generator)
    noisy = neighbour_scores(real, other)
    assert noisy.precision == pytest.approx(0.6 * floor.precision, abs=0.03)
    assert noisy.density == pytest.approx(0.6 * floor.density, abs=0.1)
    assert noisy.coverage > 0.9 * floor.coverage


def test_one_real_outlier_fools_precision_more_than_density(generator: torch.Generator) -> None:
    real, far = clusters(300, [0], generator), clusters(300, [2], generator)
    assert neighbour_scores(real, far).precision == 0
    real[0, 0] = 4.0  # its ball reaches back to the cloud, over everything between
    fooled = neighbour_scores(real, far)
    assert fooled.precision == 1
    assert fooled.density < 0.21


def test_copies_and_constant_features_count_as_near(generator: torch.Generator) -> None:
    real = 1e3 + torch.randn(40, 3, generator=generator, dtype=torch.float64)
    assert neighbour_scores(real, real.clone())[:2] == (1, 1)
    twice = real.repeat_interleave(3, 0)
    assert neighbour_scores(twice, real, 2) == (1, 1, pytest.approx(3 / 2), 1)  # balls of radius 0 hold their copy
    assert neighbour_scores(torch.ones(9, 2), torch.ones(9, 2), 2) == (1, 1, 4.5, 1)


def test_mistakes_are_explained(generator: torch.Generator) -> None:
    x = torch.randn(8, 2, generator=generator)
    with pytest.raises(ShapeError, match="same function"):
        neighbour_scores(x, x[:, :1])
    with pytest.raises(ShapeError, match="neighbour_radii"):
        neighbour_scores(x, x, 2, radii=torch.ones(3))
    with pytest.raises(DataError, match="lower k"):
        neighbour_scores(x, x, 8)
    with pytest.raises(DataError, match="NaN"):
        neighbour_radii(x / 0, 2)
    with pytest.raises(ConfigError, match="k=0"):
        neighbour_radii(x, 0)
    with pytest.raises(ConfigError, match="n > k"):
        coverage_null(5, 5, 5)
