"""Compiled loops give what the same formulas give in PyTorch."""

from __future__ import annotations

import pytest
import torch

from lather import compiled
from lather.divergences import make_divergence, pairwise, stein
from lather.divergences.cramer_wold import _slice_fit
from lather.divergences.distance_cdf import _BINS, _Counts, _Lookup
from lather.divergences.pairwise import sweep
from lather.divergences.profiles import FusedProfile, InversePowerProfile, InverseQuadraticProfile
from lather.priors import StandardNormal

pytest.importorskip("numba", reason="numba is not installed: pip install 'lather[fast]'")

PROFILES = {
    "one constant": InverseQuadraticProfile([3.0]),
    "seven constants": InverseQuadraticProfile([2.0, 4.0, 10.0, 20.0, 40.0, 100.0, 200.0]),
    "slices, d = 3": InversePowerProfile(_slice_fit(3, True, 2e-8), 1.7, 0.4),
    "slices, d = 64": InversePowerProfile(_slice_fit(64, True, 1e-9), 0.2),
    "table": _Lookup(2.0, 30.0, torch.linspace(0, 3, _BINS, dtype=torch.float64), torch.linspace(-1, 2, _BINS)),
}


@pytest.fixture(autouse=True)
def always(monkeypatch):
    monkeypatch.setattr(pairwise, "_MANY", 1)
    monkeypatch.setattr(stein, "_MANY", 1)


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def in_pytorch(monkeypatch):
    monkeypatch.setattr(compiled, "installed", lambda: False)


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("crossed", [False, True])
def test_value_and_gradient_are_those_of_pytorch_in_float64(name, crossed, threads, generator):
    x = torch.randn(301, 6, generator=generator) * 1.3
    y = torch.randn(1100, 6, generator=generator) if crossed else None
    value, gradient = sweep(x, y, PROFILES[name], True)
    exact, slope = sweep(x.double(), None if y is None else y.double(), PROFILES[name], True)
    assert isinstance(PROFILES[name], FusedProfile)
    assert float(value) == pytest.approx(float(exact), rel=3e-5 if name == "table" else 3e-7)
    torch.testing.assert_close(gradient.double(), slope, rtol=2e-3 if name == "table" else 2e-5, atol=2e-3)


def test_counts_are_those_of_pytorch(threads, generator, monkeypatch):
    x = torch.randn(700, 4, generator=generator) * 3
    counts, _ = sweep(x, None, _Counts(2.0, 30.0), False)
    in_pytorch(monkeypatch)
    expected, _ = sweep(x, None, _Counts(2.0, 30.0), False)
    torch.testing.assert_close(counts, expected, rtol=0, atol=0)
    assert float(counts.sum()) == 700 * 699 / 2


@pytest.mark.parametrize("n", [40, 1300])
@pytest.mark.parametrize("name", ["mmd-imq", "cramer-wold", "stein", "distance-cdf"])
def test_divergences_agree_with_and_without(name, n, threads, generator, monkeypatch):
    z = (torch.randn(n, 12, generator=generator) * 1.1 + 0.1).requires_grad_()
    divergence, prior = make_divergence(name, 12), StandardNormal(12)
    fast = divergence(z, prior)
    (gradient,) = torch.autograd.grad(fast, z)
    in_pytorch(monkeypatch)
    slow = divergence(z, prior)
    (expected,) = torch.autograd.grad(slow, z)
    torch.testing.assert_close(fast, slow, rtol=1e-5, atol=1e-7)
    assert float((gradient - expected).norm() / expected.norm()) < 1e-5


@pytest.mark.parametrize("name", ["mmd-imq", "cramer-wold", "stein", "distance-cdf"])
def test_nan_is_not_swallowed(name, generator):
    z = torch.randn(1200, 4, generator=generator)
    z[700, 2] = torch.nan
    assert make_divergence(name, 4)(z, StandardNormal(4)).isnan()


def test_coinciding_latents_have_a_finite_gradient():
    z = torch.ones(300, 3, requires_grad=True)
    for name in ("mmd-imq", "cramer-wold", "stein"):
        (gradient,) = torch.autograd.grad(make_divergence(name, 3)(z, StandardNormal(3)), z)
        assert bool(gradient.isfinite().all())


def test_what_is_small_or_not_float32_stays_in_pytorch(monkeypatch):
    block = torch.zeros(4, 4)
    assert compiled.compiles(block, 16, 16)
    assert not compiled.compiles(block, 15, 16)
    assert not compiled.compiles(block.double(), 16, 16)
    assert not compiled.compiles(block.to("meta"), 16, 16)
    compiled.installed.cache_clear()
    monkeypatch.setenv("LATHER_COMPILED", "0")
    assert not compiled.compiles(block, 16, 16)
    compiled.installed.cache_clear()


def test_where_no_folder_can_be_written_to_the_code_is_made_anew(monkeypatch):
    import numba

    real = numba.njit

    def njit(**options):
        if options.pop("cache", False):
            raise RuntimeError("cannot cache function: no locator available")
        return real(**options)

    monkeypatch.setattr(numba, "njit", njit)
    assert compiled.compiled(lambda x: x + 1)(2) == 3
