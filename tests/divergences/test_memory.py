"""Where memory does not suffice, divergences go on in smaller parts and say so; products keep their digits."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
import torch

from lather.divergences import make_divergence, memory, pairwise
from lather.divergences.precision import full_precision
from lather.divergences.sliced import Sliced
from lather.divergences.wasserstein import Wasserstein1d
from lather.priors import StandardNormal, UniformCube

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(memory, "_halved", {})


def refuse(times):
    raise RuntimeError(f"DefaultCPUAllocator: can't allocate memory: you tried to allocate {2**40 >> times} bytes")


def test_parts_get_smaller_until_they_fit_and_stay_so():
    asked = []

    def work(times):
        asked.append(times)
        return refuse(times) if times < 2 else "done"

    with pytest.warns(RuntimeWarning, match="did not suffice for parts on cpu"):
        assert memory.halving("parts", 3, CPU, work) == "done"
    assert asked == [0, 1, 2]
    assert memory.halving("parts", 3, CPU, work) == "done"
    assert asked == [0, 1, 2, 2]
    assert memory.halving("other parts", 3, CPU, lambda times: times) == 0


def test_the_allocator_has_the_last_word():
    with pytest.warns(RuntimeWarning), pytest.raises(RuntimeError, match="allocate memory"):
        memory.halving("parts", 1, CPU, refuse)
    with pytest.raises(RuntimeError, match="allocate memory"):
        memory.halving("parts of one", 0, CPU, refuse)


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    def work(times):
        raise RuntimeError("sizes do not match")

    with pytest.raises(RuntimeError, match="sizes do not match"):
        memory.halving("parts", 5, CPU, work)


@pytest.mark.parametrize(
    "name", ["sliced-wasserstein", "sliced-epps-pulley", "sliced-cramer", "sliced-anderson-darling"]
)
@pytest.mark.parametrize("prior", [StandardNormal(5), UniformCube(5)], ids=["normal", "cube"])
def test_slices_one_after_the_other_give_the_same(name, prior, generator):
    divergence = make_divergence(name, 5)
    assert isinstance(divergence, Sliced)
    if name == "sliced-anderson-darling" and not prior.standard:
        pytest.skip("needs the law of a slice, which the cube does not know")
    if name == "sliced-wasserstein" and not prior.standard:
        divergence = Sliced(Wasserstein1d(unbiased=False))
    z = torch.randn(60, 5, generator=generator, dtype=torch.float64).requires_grad_()

    def value():
        return divergence(z, prior, generator=torch.Generator().manual_seed(1))

    whole = value()
    (gradient,) = torch.autograd.grad(whole, z)
    memory._halved["all slices at once", CPU] = 3
    parts = value()
    (found,) = torch.autograd.grad(parts, z)
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=0)
    torch.testing.assert_close(found, gradient, rtol=1e-10, atol=1e-14)


def test_where_slices_share_a_number_they_stay_together(generator):
    memory._halved["all slices at once", CPU] = 3
    z = torch.randn(60, 5, generator=generator, dtype=torch.float64)
    swae = Sliced(Wasserstein1d())
    together = swae(z, UniformCube(5), generator=torch.Generator().manual_seed(1))
    memory._halved.clear()
    torch.testing.assert_close(swae(z, UniformCube(5), generator=torch.Generator().manual_seed(1)), together)


def test_a_sliced_divergence_that_does_not_fit_is_taken_in_parts():
    """A real limit on memory."""
    program = """
        import resource, warnings, torch
        torch.set_num_threads(1)
        from lather.divergences import make_divergence
        from lather.priors import StandardNormal
        divergence, prior = make_divergence("sliced-wasserstein", 4), StandardNormal(4)
        z = torch.randn(40_000, 4).requires_grad_()
        def gradient():
            return torch.autograd.grad(divergence(z, prior, generator=torch.Generator().manual_seed(0)), z)[0]
        expected = gradient()
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 60 * 2**20, resource.RLIM_INFINITY))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = gradient()
        assert said and "did not suffice for all slices at once" in str(said[0].message), said
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-9)
        print("done")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.stdout == "done\n", done.stderr


@pytest.mark.parametrize("name", ["mmd-imq", "stein"])
def test_products_keep_their_digits_whatever_a_program_allows_itself(name, monkeypatch, generator):
    seen = []
    product = torch.mm

    def watched(*args, **kwargs):
        seen.append(torch.get_float32_matmul_precision())
        return product(*args, **kwargs)

    monkeypatch.setattr(torch, "mm", watched)
    torch.set_float32_matmul_precision("medium")
    try:
        make_divergence(name, 3)(torch.randn(50, 3, generator=generator), StandardNormal(3))
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert seen
    assert set(seen) == {"highest"}
    with full_precision():
        assert torch.get_float32_matmul_precision() == "highest"
    assert pairwise.full_precision is full_precision
