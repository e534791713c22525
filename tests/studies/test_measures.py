"""Each measure of the studies against a closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from lather.data import load
from lather.errors import ShapeError
from lather.studies.deciding import decided, difference, verdict
from lather.studies.drift import LatentDrift
from lather.studies.interpolation import pairs
from lather.studies.jacobian import jacobian_norm
from lather.studies.not_data import not_data
from lather.studies.overlap import smoothed_js, wasserstein
from lather.studies.own_units import whitened
from lather.studies.perturbation import output_change
from lather.studies.realism import Realism
from lather.studies.sharpness import high_frequency_share, laplacian_variance
from lather.train.assemble import assemble


def test_the_jacobian_of_a_linear_decoder_is_its_matrix() -> None:
    g = torch.Generator().manual_seed(0)
    w, z = torch.randn(5, 12, generator=g), torch.randn(7, 5, generator=g)
    found = jacobian_norm(lambda z: z @ w, z, directions=5, generator=g)
    assert torch.allclose(found, w.norm().expand(7), rtol=1e-5)


def test_a_linear_decoder_moves_by_its_matrix_times_the_step() -> None:
    g = torch.Generator().manual_seed(0)
    w, z = torch.randn(4, 9, generator=g), 3 * torch.randn(20_000, 4, generator=g)
    found = output_change(lambda z: z @ w, z, 0.1, generator=g).square().mean().sqrt()
    assert float(found) == pytest.approx(0.1 * float(w.norm()) / 3, rel=0.03)  # √9 values in an output


def test_the_share_of_one_wave_is_all_or_nothing() -> None:
    t = torch.arange(16.0)
    slow, fast = (torch.sin(2 * math.pi * f * t).expand(1, 1, 16, 16) for f in (1 / 16, 6 / 16))
    assert float(high_frequency_share(slow)) == pytest.approx(0, abs=1e-6)
    assert float(high_frequency_share(fast)) == pytest.approx(1, abs=1e-6)
    assert float(high_frequency_share(torch.ones(1, 1, 8, 8))) == 0


def test_the_laplacian_of_a_parabola_is_constant_and_of_a_wave_is_known() -> None:
    t = torch.arange(18.0, dtype=torch.float64)
    assert float(laplacian_variance((t**2).expand(1, 1, 18, 18))) == pytest.approx(0, abs=1e-12)
    wave = torch.sin(2 * math.pi * t / 16).expand(1, 1, 18, 18)  # inside: a whole period
    assert float(laplacian_variance(wave)) == pytest.approx((2 * math.cos(2 * math.pi / 16) - 2) ** 2 / 2)


def test_smoothed_js_saturates_and_wasserstein_does_not() -> None:
    from scipy.integrate import quad
    from scipy.stats import norm

    def half(x: float) -> float:
        p, q = norm.pdf(x), norm.pdf(x, 1.5)
        return 0.5 * (p * math.log(2 * p / (p + q)) + q * math.log(2 * q / (p + q)))

    expected = quad(half, -12, 13)[0]
    assert smoothed_js(np.array([0.0]), np.array([1.5]), 1.0) == pytest.approx(expected, rel=1e-6)
    far = [smoothed_js(np.array([0.0]), np.array([s]), 0.05) for s in (1.0, 4.0)]
    assert far == pytest.approx([math.log(2)] * 2, rel=1e-9)
    a = np.random.default_rng(0).normal(size=50)
    assert [wasserstein(a, a + s) for s in (1.0, 4.0)] == pytest.approx([1.0, 4.0])
    with pytest.raises(ValueError, match="needs one"):
        smoothed_js(np.array([0.0]), np.array([1000.0]), 0.01)


def test_whitened_latents_forget_every_linear_change_of_coordinates() -> None:
    g = torch.Generator().manual_seed(0)
    z, w = torch.randn(500, 3, generator=g, dtype=torch.float64), torch.randn(3, 5, generator=g, dtype=torch.float64)
    skew = torch.randn(3, 3, generator=g, dtype=torch.float64) * torch.tensor([50.0, 1.0, 0.1], dtype=torch.float64)
    idle = torch.zeros(500, 1, dtype=torch.float64)
    plain, u = whitened(lambda z: torch.tanh(z @ w), z)
    skewed, v = whitened(lambda z: torch.tanh(z[:, :3] @ torch.linalg.inv(skew) @ w), torch.cat([z @ skew, idle], 1))
    assert v.shape == (500, 3)
    norms = [jacobian_norm(f, x, directions=3, generator=g) for f, x in ((plain, u), (skewed, v))]
    assert torch.allclose(*norms, rtol=1e-6)


def test_smoothing_in_the_plane_is_exact() -> None:
    one, two = np.zeros((1, 2)), np.array([[1.5, 0.0]])
    assert smoothed_js(one, two, 1.0) == pytest.approx(smoothed_js(one[:, 0], two[:, 0], 1.0), rel=1e-6)
    g = np.random.default_rng(0)
    a = g.normal(size=(40, 2))
    assert smoothed_js(a, a, 0.3) == pytest.approx(0, abs=1e-9)
    assert smoothed_js(a, a + 50, 0.3) == pytest.approx(math.log(2), rel=1e-3)
    assert wasserstein(a, a[::-1] + 3) == pytest.approx(3 * math.sqrt(2))


def test_wasserstein_of_two_gaussians() -> None:
    g = np.random.default_rng(1)
    a, b = g.normal(size=20_000), g.normal(3, 2, 20_000)
    assert wasserstein(a, b) == pytest.approx(math.sqrt(3**2 + 1**2), rel=0.01)


def test_drift_forgets_what_turns_all_latents_alike() -> None:
    g = torch.Generator().manual_seed(0)
    z = torch.randn(300, 3, generator=g, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=g, dtype=torch.float64))[0]
    drift = LatentDrift(z)
    drift.see(z)
    drift.see(z @ turn + 5)
    assert drift.steps[0] > 1
    assert drift.aligned[0] == pytest.approx(0, abs=1e-9)


def test_pairs_are_what_they_are_called() -> None:
    labels = torch.tensor([0, 0, 1, 1, 2, -1])
    found = pairs(labels, 6, 10, generator=torch.Generator().manual_seed(0))
    for kind, expected in (("same class", True), ("different class", False)):
        first, second = found[kind].T
        assert len(first) == 10
        assert ((labels[first] == labels[second]) == expected).all()
        assert (first != second).all()
        assert (labels[found[kind]] >= 0).all()
    assert pairs(None, 6, 10, generator=torch.Generator().manual_seed(0))["any"].shape == (10, 2)


@pytest.mark.exhaustive
def test_data_look_like_data_and_what_is_none_does_not() -> None:
    data = load("digits", progress=False)
    realism = Realism(data)
    assert realism.accuracy is not None
    assert realism.accuracy > 0.93
    assert realism.own == pytest.approx(0.95, abs=0.04)  # thresholds come from the other half
    x, g = data.test.batch(), torch.Generator().manual_seed(0)
    n, c, h, w = x.shape
    with torch.no_grad():
        untrained = assemble("ae", data, 4, nets="mlp").decode(torch.randn(n, 4, generator=g)).mean
    coarse = torch.rand(n, c, 3, 3, generator=g)
    none = {
        "mixed pixels": x.flatten(1)[:, torch.randperm(c * h * w, generator=g)].view_as(x),
        "noise": torch.rand(x.shape, generator=g),
        "blurred noise": functional.interpolate(coarse, (h, w), mode="bilinear"),
        "blurred": functional.avg_pool2d(functional.pad(x, (2,) * 4), 5, 1),
        "one colour": torch.zeros_like(x),
        "untrained decoder": untrained,
    }
    for name, pictures in none.items():
        assert float(realism.like_data(pictures).double().mean()) < 0.02, name
    # at 8×8 the mean of two digits is often a third one; at 28×28 one in ten passes
    first, second = pairs(data.test.labels, n, 300, generator=g)["different class"].T
    assert float(realism.like_data((x[first] + x[second]) / 2).double().mean()) < 0.5
    centred = x.flatten(1) - x.flatten(1).mean(0)
    axes = torch.linalg.svd(centred, full_matrices=False).Vh[:30]
    near = (centred @ axes.T @ axes + x.flatten(1).mean(0)).clamp(0, 1).view_as(x)
    assert float(realism.like_data(near).double().mean()) > 0.9


def test_what_is_no_data_is_made_of_both_pictures() -> None:
    x, other = torch.full((10, 1, 8, 8), 0.2), torch.full((10, 1, 8, 8), 0.8)
    x[:, :, 0, 0] = 1.0
    made = not_data(x, other, torch.Generator().manual_seed(0))
    means, patched, gaps, mixed = made.split([4, 2, 2, 2])
    assert made.shape == x.shape
    assert means[:, :, 1:].min() > 0.2 + 0.3 * 0.6 - 1e-6
    assert means[:, :, 1:].max() < 0.8 - 0.3 * 0.6 + 1e-6
    assert set(patched[:, :, 1:].flatten().tolist()) == {x[0, 0, 1, 1].item(), other[0, 0, 1, 1].item()}
    assert bool((gaps[:, :, 1:] == x[6:8, :, 1:]).all())  # what is missing shows the background
    assert torch.equal(mixed.flatten(1).sort().values, x[8:].flatten(1).sort().values)
    assert not torch.equal(mixed, x[8:])


def test_only_pictures_are_judged() -> None:
    table = load(np.zeros((60, 5), dtype=np.float32) + np.arange(60, dtype=np.float32)[:, None], progress=False)
    with pytest.raises(ShapeError, match=r"judged of pictures .* got samples of shape \(5,\)"):
        Realism(table)


@pytest.mark.parametrize(
    ("signs", "expected"),
    [([True, True], "holds"), ([True, None], "holds in part"), ([True, False], "holds in part"),
     ([False, False], "fails"), ([False, None], "not decided"), ([None, None], "not decided"), ([], "not decided")],
)  # fmt: skip
def test_comparisons_decide_what_all_of_them_say(signs: list[bool | None], expected: str) -> None:
    assert verdict(signs) == expected


def test_what_seeds_share_cancels() -> None:
    change = difference({0: 1.0, 1: 11.0, 2: 101.0}, {0: 0.0, 1: 9.9, 2: 100.1, 3: 5.0})
    assert decided(change) is True
    assert decided(change, margin=2) is False
    assert decided(difference({0: 1.0}, {0: 0.0})) is None


def test_drift_is_the_step_in_units_of_the_spread() -> None:
    z = 2 * torch.randn(5000, 3, generator=torch.Generator().manual_seed(0))
    drift = LatentDrift(z)
    drift.see(z)
    drift.see(z + 0.2)
    assert drift.steps == [pytest.approx(0.1, rel=0.03)]
