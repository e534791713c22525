"""Float32 with a bound on its error, and float64 for the pairs that matter, give the density of float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lather.priors import AggregatePosterior, screened
from lather.priors.screened import Screen


def reference(z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """log Σ_j N(z; μ_j, σ_j²) in float64, from differences: nothing cancels."""
    volume = std.double().log().sum(1) + 0.5 * math.log(2 * math.pi) * mean.shape[1]
    apart = torch.stack([((row - mean.double()) / std.double()).square().sum(1) for row in z.double()])
    return (-0.5 * apart - volume).logsumexp(1)


def mixture(kind: str, n: int, d: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
    mean, spread = torch.randn(n, d, generator=g), torch.empty(n, d).uniform_(0.7, 1.4, generator=g)
    if kind == "far":  # from the origin, which is what float32 would feel without a centre
        return mean + 1000, 0.3 * spread
    if kind == "clusters":  # far from each other: a centre does not help
        return 0.3 * mean + 100 * torch.randn(5, d, generator=g)[torch.arange(n) % 5], 0.3 * spread
    if kind == "mixed":  # wide and narrow ones in one mixture
        return mean, 10 ** (-3 * torch.rand(n, 1, generator=g)) * spread
    if kind == "axes":  # a few narrow axes, as a VAE's latents have
        spread[:, :2] *= 0.03
        return mean, spread
    return mean * max(1 - float(kind) ** 2, 0.02) ** 0.5, float(kind) * spread


@pytest.fixture(params=[False, True], ids=["pytorch", "compiled"])
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        pytest.importorskip("numba", reason="numba is not installed: pip install 'lather[fast]'")
    monkeypatch.setattr(screened, "_MANY", 1 if request.param else 2**62)


@pytest.mark.usefixtures("loops")
@pytest.mark.parametrize("d", [2, 16, 64])
@pytest.mark.parametrize("kind", ["1.0", "0.3", "0.03", "0.003", "1e-4", "far", "clusters", "mixed", "axes"])
def test_rows_called_certain_are_right(kind: str, d: int) -> None:
    g = torch.Generator().manual_seed(d)
    mean, std = mixture(kind, 2500, d, g)  # three tiles of columns
    z = mean[:30] + std[:30] * torch.randn(30, d, generator=g)
    z = torch.cat([z, mean.mean(0) + torch.randn(20, d, generator=g)])  # at home in it, and not
    expected = reference(z, mean, std)
    centre = mean.double().mean(0)
    total, certain = Screen(mean, std, centre).log_sums(z.double() - centre)
    assert kind not in ("0.03", "0.003", "mixed", "axes") or d == 2 or bool(certain.all())
    if bool(certain.any()):
        assert float((total - expected).abs()[certain].max()) < 1e-4
    # the rest is the caller's, who does it
    density = AggregatePosterior(mean, std).log_prob(z.repeat(4, 1))[:50].double() + math.log(2500)
    assert torch.allclose(density, expected, atol=1e-4, rtol=2e-7)


def test_float32_alone_would_be_off_and_the_bound_knows() -> None:
    g = torch.Generator().manual_seed(0)
    for d, sigma in ((2, 0.3), (16, 0.3), (64, 0.03)):
        mean, std = mixture(str(sigma), 1000, d, g)
        z = mean[:200] + std[:200] * torch.randn(200, d, generator=g)
        screen = Screen(mean, std, torch.zeros(d, dtype=torch.float64))
        features = torch.cat([z.double().square(), z.double(), torch.ones(200, 1).double()], 1)
        single = (features.float() @ screen.tiles[0]).double()
        mean, std = screen.mean[screen.order].double(), screen.std[screen.order].double()
        exact = torch.stack([-0.5 * ((row - mean) / std).square().sum(1) for row in z.double()]) - screen.volume
        error, terms = (single - exact).abs(), features.shape[1]
        bound = (features.abs() @ screen.largest) * 2.0**-24 * (math.sqrt(terms) + 2)
        assert bool((error <= bound).all())
        assert bool((error.mean(1) <= bound.squeeze(1) / 8).all())
        assert sigma == 0.3 or float(error.max()) > 1e-2


@pytest.mark.usefixtures("loops")
def test_too_many_near_the_top_are_left_to_float64() -> None:
    g = torch.Generator().manual_seed(1)
    mean, std = mixture("clusters", 2500, 16, g)
    centre = mean.double().mean(0)
    certain = Screen(mean, std, centre).log_sums(mean[:100].double() - centre)[1]
    assert not bool(certain.all())


@pytest.mark.usefixtures("loops")
def test_rows_that_are_no_numbers_are_never_certain() -> None:
    g = torch.Generator().manual_seed(2)
    mean, std = mixture("0.3", 600, 4, g)
    z = torch.randn(5, 4, generator=g).double()
    z[1, 2], z[3, 0] = math.nan, math.inf
    certain = Screen(mean, std, torch.zeros(4, dtype=torch.float64)).log_sums(z)[1]
    assert certain.tolist() == [True, False, True, False, True]
    tiny = Screen(mean, std * 1e-22, torch.zeros(4, dtype=torch.float64)).log_sums(z)[1]  # 1/σ² overflows float32
    assert not bool(tiny.any())


def test_gradients_are_those_of_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    g = torch.Generator().manual_seed(3)
    mean, std = mixture("0.3", 1500, 8, g)
    z = (mean[:300] + std[:300] * torch.randn(300, 8, generator=g)).requires_grad_()
    law = AggregatePosterior(mean, std)
    (slope,) = torch.autograd.grad(law.log_prob(z).sum(), z)
    (exact,) = torch.autograd.grad(law.log_prob(z.double()).sum(), z)
    assert torch.allclose(slope, exact.float(), rtol=1e-3, atol=1e-3)
    seen: list[int] = []
    monkeypatch.setattr(Screen, "log_sums", lambda self, x: seen.append(len(x)))
    try:
        torch.set_float32_matmul_precision("medium")  # products of 8 bits: no bound, so no screening
        assert torch.allclose(law.log_prob(z).double(), law.log_prob(z.double()), atol=1e-4)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert not seen


def test_threads_share_the_rows_out(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="numba is not installed: pip install 'lather[fast]'")
    monkeypatch.setattr(screened, "_MANY", 1)
    g = torch.Generator().manual_seed(3)
    mean, std = mixture("axes", 2500, 16, g)
    centre = mean.double().mean(0)
    x = torch.randn(301, 16, generator=g).double() - centre
    threads = torch.get_num_threads()
    results = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        results.append(Screen(mean, std, centre).log_sums(x))
    torch.set_num_threads(threads)
    for total, certain in results[1:]:
        torch.testing.assert_close(total, results[0][0], rtol=0, atol=1e-6)
        assert torch.equal(certain, results[0][1])
