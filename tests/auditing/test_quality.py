"""Fréchet and kernel distances against slow references, and the features they are computed on."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import linalg
from torch.nn import functional

from lather.auditing.features import Features, RandomConvFeatures, ScaledFeatures, default_features
from lather.auditing.quality import frechet_distance, kernel_distance
from lather.errors import ShapeError


def test_frechet_against_matrix_square_roots(generator: torch.Generator) -> None:
    a = torch.randn(80, 5, generator=generator, dtype=torch.float64)
    b = 1 + torch.randn(60, 5, generator=generator, dtype=torch.float64) @ torch.diag(torch.arange(1.0, 6.0).double())
    ca, cb = np.cov(a.numpy().T), np.cov(b.numpy().T)
    reference = ((a.mean(0) - b.mean(0)) ** 2).sum().item() + np.trace(ca + cb - 2 * linalg.sqrtm(ca @ cb).real)
    assert frechet_distance(a, b) == pytest.approx(reference, rel=1e-10)
    assert frechet_distance(b, a) == pytest.approx(reference, rel=1e-10)


def test_frechet_where_covariances_are_singular(generator: torch.Generator) -> None:
    a = torch.randn(10, 40, generator=generator)
    a[:, :5] = 1.0
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, a + 1) == pytest.approx(40, rel=1e-6)


def test_kernel_distance_against_a_double_loop(generator: torch.Generator) -> None:
    a, b = torch.randn(7, 3, generator=generator).double(), torch.randn(5, 3, generator=generator).double()

    def k(x: torch.Tensor, y: torch.Tensor) -> float:
        return float((x @ y / 3 + 1) ** 3)

    within = [np.mean([k(x[i], x[j]) for i in range(len(x)) for j in range(len(x)) if i != j]) for x in (a, b)]
    assert kernel_distance(a, b) == pytest.approx(sum(within) - 2 * np.mean([k(x, y) for x in a for y in b]), rel=1e-10)


def test_kernel_distance_is_unbiased(generator: torch.Generator) -> None:
    values = [kernel_distance(*torch.randn(2, 20, 4, generator=generator)) for _ in range(500)]
    assert abs(np.mean(values)) < 4 * np.std(values) / 500**0.5


def test_distances_refuse_what_does_not_go_together() -> None:
    with pytest.raises(ShapeError, match="same function"):
        frechet_distance(torch.randn(5, 3), torch.randn(5, 4))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8), (3, 5, 7)])
def test_features_take_any_image_size(shape: tuple[int, ...], generator: torch.Generator) -> None:
    x = torch.rand(30, *shape, generator=generator)
    features = default_features(x)
    found = features(x)
    assert isinstance(features, RandomConvFeatures)
    assert isinstance(features, Features)
    assert found.shape == (30, 112)
    assert torch.isfinite(found).all()
    assert torch.equal(found, RandomConvFeatures(x)(x))  # the network is the same every time


def test_features_of_constant_images_stay_finite() -> None:
    x = torch.zeros(10, 1, 8, 8)
    assert torch.isfinite(RandomConvFeatures(x)(torch.rand(10, 1, 8, 8))).all()


def test_tables_are_standardised(generator: torch.Generator) -> None:
    x = 5 + 3 * torch.randn(200, 4, generator=generator)
    found = default_features(x)(x)
    assert isinstance(default_features(x), ScaledFeatures)
    assert found.std(0).tolist() == pytest.approx([1] * 4, rel=1e-4)


def test_small_or_flat_images_are_refused() -> None:
    with pytest.raises(ShapeError, match="h, w ≥ 4"):
        RandomConvFeatures(torch.rand(5, 1, 3, 3))


@pytest.mark.mnist
@pytest.mark.slow
def test_default_features_tell_good_digits_from_bad_ones(data_root: Path, generator: torch.Generator) -> None:
    """The table in the docstring of RandomConvFeatures, within a factor."""
    raw = gzip.decompress((data_root / "mnist" / "t10k-images-idx3-ubyte.gz").read_bytes())
    digits = torch.from_numpy(np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 1, 28, 28).copy()) / 255
    digits = digits[torch.randperm(len(digits), generator=generator)]
    real, other, third, base = (digits[2000 * i : 2000 * (i + 1)] for i in range(4))
    features = default_features(real)
    reference = features(real)
    floor = (frechet_distance(features(other), reference) + frechet_distance(features(third), reference)) / 2
    kernel = torch.exp(-(torch.arange(-3.0, 4) ** 2) / (2 * 0.6**2))
    kernel = (kernel / kernel.sum()).outer(kernel / kernel.sum())[None, None]
    bad = {
        "blurred": (functional.conv2d(base, kernel, padding=3), 60),
        "noisy": ((base + 0.1 * torch.randn(base.shape, generator=generator)).clamp(0, 1), 80),
        "averaged": ((base + base.flip(0)) / 2, 100),
    }
    for name, (images, least) in bad.items():
        assert frechet_distance(features(images), reference) > least * floor, name
    assert frechet_distance(features(base.roll(1, 3)), reference) < 5 * floor
